//go:build !linux

package cli

import (
	"context"

	"minidock.dev/minidock/image"
)

// drawnContainers has none to draw.
func (a *app) drawnContainers(context.Context) ([]*drawnContainer, error) { return nil, nil }

func (a *app) findContainer(_ context.Context, name string) (*drawnContainer, error) {
	return nil, &image.NotFoundError{Name: name}
}
