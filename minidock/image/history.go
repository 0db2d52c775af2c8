package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
)

// HistoryRow is one build step, as docker history shows it.
type HistoryRow struct {
	// ID is the image that the step made, "" if it is not in the store; docker
	// shows "<missing>".
	ID digest.Digest
	// Created is when the step was made; nil if unknown.
	Created *time.Time
	// CreatedBy is the instruction or command.
	CreatedBy string
	// Size is the size of the step's layer in bytes, as Layer.Size has it, 0 if it has
	// none.
	Size int64
	// Comment is free text.
	Comment string
}

// History returns the steps of the image, the newest first. A configuration has
// no images in its history, only text: the IDs of the lower rows are those of
// the parents that are still in the store.
func History(ctx context.Context, l *layout.Layout, f *Found) ([]HistoryRow, error) {
	ctx = explain.Step(ctx, "read the history of image %s", f.ID().Short())
	rows, err := f.historyRows(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", f.ID(), err)
	}
	for _, i := range lineage(l, f.Image) {
		// The history of a parent is the beginning of the child's.
		if n := len(i.Config.History); n > 0 && n <= len(rows) {
			rows[n-1].ID = i.ID()
		}
	}
	slices.Reverse(rows)
	return rows, nil
}

// historyRows returns the rows without IDs, the oldest first. The rows that
// have a layer are, in order, the image's layers.
func (i *Image) historyRows(ctx context.Context, l *layout.Layout) ([]HistoryRow, error) {
	layers := i.Layers
	rows := make([]HistoryRow, len(i.Config.History))
	for n, h := range i.Config.History {
		rows[n] = HistoryRow{Created: h.Created, CreatedBy: h.CreatedBy, Comment: h.Comment}
		if h.EmptyLayer {
			continue
		}
		if len(layers) == 0 {
			return nil, errors.New("too many non-empty layers in History section")
		}
		rows[n].Size = layers[0].Size(ctx, l)
		layers = layers[1:]
	}
	return rows, nil
}

// lineage returns the image and the parents that are in the store, the image
// first. The chain ends where a parent is missing or damaged.
func lineage(l *layout.Layout, i *Image) []*Image {
	var list []*Image
	for i != nil {
		list = append(list, i)
		if i.parent == "" {
			break
		}
		// No loop is possible: a manifest cannot hold its own hash.
		i, _, _ = loadDigest(l, i.parent)
	}
	return list
}
