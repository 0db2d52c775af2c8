package union_test

import (
	"errors"
	"fmt"
	"io/fs"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/union"
)

func Example() {
	base := layer.NewTree()
	base.Add(layer.Entry{Name: "usr/bin/dash", Type: layer.TypeReg, Mode: 0o755})
	base.Add(layer.Entry{Name: "usr/bin/sh", Type: layer.TypeSymlink, Linkname: "dash"})
	base.Add(layer.Entry{Name: "bin", Type: layer.TypeSymlink, Linkname: "usr/bin"})
	base.Add(layer.Entry{Name: "etc/motd", Type: layer.TypeReg})

	change := layer.NewTree()
	change.Add(layer.Entry{Name: "etc/hostname", Type: layer.TypeReg})
	change.AddWhiteout("etc/motd")

	v := union.New(base, change)
	for _, e := range v.ReadDir("etc") {
		fmt.Println(e.Name)
	}
	name, _, _ := v.Resolve("/bin/sh", true)
	fmt.Println(name)
	// Where would COPY put this?
	name, _, err := v.Resolve("/bin/app", true)
	fmt.Println(name, errors.Is(err, fs.ErrNotExist))
	// Output:
	// etc/hostname
	// usr/bin/dash
	// usr/bin/app true
}
