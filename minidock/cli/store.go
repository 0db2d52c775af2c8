package cli

import (
	"context"
	"os"
	"path/filepath"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

// store opens the parts of the directory of all data, each when it is first
// asked for: `version` opens nothing, `images` only the image store.
type store struct {
	images *layout.Layout
	linuxStore
}

// chooseRoot settles which directory that is: --root, else MINIDOCK_ROOT, else
// the system's for root and the user's own for everybody else.
func (a *app) chooseRoot() error {
	if a.root == "" {
		a.root = os.Getenv("MINIDOCK_ROOT")
	}
	if a.root == "" {
		a.root = defaultRoot()
	}
	full, err := filepath.Abs(a.root)
	a.root = full
	return err
}

func defaultRoot() string {
	if os.Geteuid() == 0 {
		return "/var/lib/minidock"
	}
	if data := os.Getenv("XDG_DATA_HOME"); data != "" {
		return filepath.Join(data, "minidock")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".local", "share", "minidock")
}

// layout opens the image store.
func (a *app) layout(ctx context.Context) (*layout.Layout, error) {
	if a.images != nil {
		return a.images, nil
	}
	a.spreadStore()
	l, err := layout.Open(ctx, a.root)
	a.images = l
	return l, err
}

// find opens the image store and looks an image up by name or ID.
func (a *app) find(ctx context.Context, name string) (*image.Found, error) {
	l, err := a.layout(ctx)
	if err != nil {
		return nil, err
	}
	return image.Find(ctx, l, name)
}
