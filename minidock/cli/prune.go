package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// pruning is the flags of the prune commands.
type pruning struct {
	all, force bool
	containers bool // system prune: stopped containers too
}

func (a *app) imagePruneCommand() *cobra.Command {
	return a.pruneCommand("Remove unused images", false, "WARNING! This will remove all dangling images.\n")
}

func (a *app) systemPruneCommand() *cobra.Command {
	return a.pruneCommand("Remove unused data", true, `WARNING! This will remove:
  - all stopped containers
  - all dangling images
  - unused build cache
  - what interrupted commands have left behind

`)
}

func (a *app) pruneCommand(short string, containers bool, warning string) *cobra.Command {
	opt := pruning{containers: containers}
	cmd := &cobra.Command{
		Use:                   "prune [OPTIONS]",
		Short:                 short,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.becomeRootFor(cmd.Context(), "layers", "containers", "tmp"); err != nil {
				return err
			}
			if opt.all {
				warning = strings.Replace(warning, "all dangling images", "all images without at least one container associated to them", 1)
			}
			if !opt.force && !a.confirm(warning) {
				return nil
			}
			return a.prune(cmd.Context(), opt)
		},
	}
	cmd.Flags().BoolVarP(&opt.all, "all", "a", false, "Remove all unused images, not just dangling ones")
	cmd.Flags().BoolVarP(&opt.force, "force", "f", false, "Do not prompt for confirmation")
	return cmd
}

func (a *app) confirm(warning string) bool {
	fmt.Fprintf(a.Out, "%sAre you sure you want to continue? [y/N] ", warning)
	answer, _ := bufio.NewReader(a.In).ReadString('\n')
	return strings.ToLower(strings.TrimSpace(answer)) == "y"
}

// prune removes from the top down: containers, images, and then all that
// nothing refers to any more.
func (a *app) prune(ctx context.Context, opt pruning) error {
	if _, err := a.layout(ctx); err != nil {
		return err
	}
	if opt.containers {
		removed, err := a.removeStopped(ctx)
		a.printSection("Deleted Containers:", removed)
		if err != nil {
			return err
		}
	}
	users, err := a.imageUsers(ctx)
	if err != nil {
		return err
	}
	removed, err := a.removeUnused(ctx, users, opt.all)
	a.printSection("Deleted Images:", removed)
	if err != nil {
		return err
	}
	freed, err := a.sweep(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Out, "Total reclaimed space:", units.HumanSize(float64(freed)))
	return err
}

func (a *app) printSection(title string, lines []string) {
	if len(lines) > 0 {
		fmt.Fprintf(a.Out, "%s\n%s\n\n", title, strings.Join(lines, "\n"))
	}
}

// removeUnused takes images out of the index.
func (a *app) removeUnused(ctx context.Context, users []imageUser, all bool) (removed []string, err error) {
	list, err := image.List(ctx, a.images)
	if err != nil {
		return nil, err
	}
	for _, found := range list {
		if inUse(found, users) || (len(found.Names) > 0 && !all) {
			continue
		}
		if err := a.images.Remove(ctx, found.Descriptor.Digest); err != nil {
			return removed, err
		}
		for _, name := range found.Names {
			removed = append(removed, "untagged: "+name)
		}
		removed = append(removed, "deleted: "+found.ID().String())
	}
	return removed, nil
}

func inUse(found *image.Found, users []imageUser) bool {
	for _, user := range users {
		if user.image == found.ID() {
			return true
		}
	}
	return false
}

// sweep deletes blobs, unpacked layers, cache entries and temporary files that
// nothing needs. While another command adds to the store nobody can tell which
// those are.
func (a *app) sweep(ctx context.Context) (freed int64, err error) {
	release, alone, err := a.images.TryLockExclusive(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if !alone {
		fmt.Fprintln(a.Err, "another command is adding to the store: what is unused stays for now")
		return 0, nil
	}
	if _, freed, err = a.images.GC(ctx, nil); err != nil {
		return freed, err
	}
	needed, err := a.neededLayers(ctx)
	if err != nil {
		return freed, err
	}
	return freed, errors.Join(a.removeLayers(ctx, needed), a.removeCacheEntries(), a.images.ClearTemp(ctx, a.litterRemover(ctx)))
}

// neededLayers are those of the images and of the containers: of all that there
// are now that the store is locked, one may be a moment old.
func (a *app) neededLayers(ctx context.Context) (map[oci.DiffID]bool, error) {
	users, err := a.imageUsers(ctx)
	if err != nil {
		return nil, err
	}
	list, err := image.List(ctx, a.images)
	needed := map[oci.DiffID]bool{}
	for _, found := range list {
		for _, id := range found.DiffIDs() {
			needed[id] = true
		}
	}
	for _, user := range users {
		for _, id := range user.layers {
			needed[id] = true
		}
	}
	return needed, err
}

func (a *app) removeLayers(ctx context.Context, needed map[oci.DiffID]bool) error {
	remove := a.layerRemover(ctx)
	entries, _ := os.ReadDir(filepath.Join(a.root, "layers"))
	for _, entry := range entries {
		id, err := oci.ParseDiffID("sha256:" + entry.Name())
		if err != nil || needed[id] || remove == nil {
			continue // "init" is no layer of an image
		}
		if err := remove(id); err != nil {
			return err
		}
	}
	return nil
}

// removeCacheEntries drops the results of build steps whose image is gone.
func (a *app) removeCacheEntries() error {
	dir := filepath.Join(a.root, "cache")
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		first, _, _ := bytes.Cut(text, []byte("\n"))
		var entry struct{ Manifest oci.Descriptor }
		if err := json.Unmarshal(first, &entry); err == nil && a.images.Blobs().Has(entry.Manifest.Digest) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}
