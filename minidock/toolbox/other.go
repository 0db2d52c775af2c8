//go:build !linux

package toolbox

import (
	"context"
	"errors"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

// Has reports whether there is a utility of this name: none on this system.
func Has(string) bool { return false }

// Main is never called where Has is always false.
func Main([]string) int { return 127 }

// Image cannot make the image here: its one program is the running executable,
// and this one is not for Linux.
func Image(context.Context, *layout.Layout) (*image.Found, error) {
	return nil, errors.New("make image tiny: it holds the running executable, which must be one for Linux")
}
