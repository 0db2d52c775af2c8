// Minidock is a container engine to read and to use.
//
// The packages are read in the order that docs/ARCHITECTURE.md gives. This
// file only decides what the executable is today: the name that it is called
// by may make it something else than the command.
package main

import (
	"os"
	"path/filepath"

	"minidock.dev/minidock/cli"
	"minidock.dev/minidock/toolbox"
)

func main() {
	again(os.Args[0])
	name := filepath.Base(os.Args[0])
	if toolbox.Has(name) {
		// In a container made from the image tiny: sh, ls, date, …
		os.Exit(toolbox.Main(os.Args))
	}
	os.Exit(cli.Main(os.Args))
}
