//go:build !linux

package cli

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/build"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// linuxStore is empty here: there are images, and nothing that runs.
type linuxStore struct{}

func (a *app) containerCommands() []*cobra.Command                          { return nil }
func (a *app) imageUsers(context.Context) ([]imageUser, error)              { return nil, nil }
func (a *app) layerRemover(context.Context) func(oci.DiffID) error          { return nil }
func (a *app) litterRemover(context.Context) func(string) error             { return os.RemoveAll }
func (a *app) settleLayers(context.Context) error                           { return nil }
func (a *app) removeOtherLayers(context.Context, map[oci.DiffID]bool) error { return nil }
func (a *app) runFunc() (build.RunFunc, func())                             { return nil, func() {} }
func (a *app) buildAsRoot(context.Context, *recipe, *once) error            { return nil }
func closeOnExec(int)                                                       {}
func (a *app) becomeRoot(context.Context, ...string) error                  { return nil }
func (a *app) becomeRootFor(context.Context, ...string) error               { return nil }
func (a *app) becomeRootToUnpack(context.Context, string) error             { return nil }
func (a *app) spreadStore()                                                 {}
func (a *app) tryOverlay(context.Context) error                             { return nil }
func hostLines() [][2]string                                                { return nil }
func hint(error) string                                                     { return "" }

// unpackWhile calls load alone: no layer is ever unpacked here.
func (a *app) unpackWhile(_ context.Context, _ int64, load func(archive.LoadOptions) error) error {
	return load(archive.LoadOptions{})
}

// inspectContainer finds none: there is no container on this system.
func (a *app) inspectContainer(_ context.Context, name string) (any, error) {
	return nil, &image.NotFoundError{Name: name}
}

// diskContainers has none to count.
func (a *app) diskContainers(context.Context, time.Time) ([]diskContainer, error) { return nil, nil }

// keptCaches has none: they belong to RUN.
func (a *app) keptCaches() ([]keptCache, error) { return nil, nil }

// removeStopped has none to remove.
func (a *app) removeStopped(context.Context, func(*time.Time, map[string]string) bool) ([]string, int64, error) {
	return nil, 0, nil
}

func (a *app) doctor(context.Context) []finding {
	return []finding{
		{good, "images", "build without RUN, history, tag, rmi and import work here"},
		{bad, "containers", "they are Linux processes, and this is " + runtime.GOOS + ": use a Linux machine, or a virtual one (WSL 2, Lima)"},
	}
}
