//go:build linux

package toolbox

import (
	"errors"
	"flag"
	"strings"

	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/base64"
	ufind "github.com/u-root/u-root/pkg/core/find"
	"github.com/u-root/u-root/pkg/core/gzip"
	"github.com/u-root/u-root/pkg/core/mktemp"
	"github.com/u-root/u-root/pkg/core/shasum"
	"github.com/u-root/u-root/pkg/core/xargs"
)

// uroot runs a utility of the u-root project with our streams.
func uroot(t *tool) error {
	command, args := urootCommand(t.name, t.args)
	command.SetIO(t.in, t.out, t.err)
	err := command.Run(args...)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}

func urootCommand(name string, args []string) (core.Command, []string) {
	switch name {
	case "base64":
		return base64.New(), args
	case "find":
		return ufind.New(), findPath(args)
	case "gzip", "gunzip":
		return gzip.New(name), append([]string{name}, args...)
	case "mktemp":
		return mktemp.New(), args
	case "xargs":
		return xargs.New(), args
	}
	return shasum.New(), args
}

// findPath adds the directory that `find -name x` means.
func findPath(args []string) []string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		args = append([]string{"."}, args...)
	}
	return args
}
