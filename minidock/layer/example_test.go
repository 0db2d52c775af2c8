package layer_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"minidock.dev/minidock/layer"
)

// A layer is made without a directory: this one replaces a file and deletes
// another one.
func ExampleWriter() {
	w := layer.NewWriter(io.Discard)
	defer w.Close()

	motd := "welcome\n"
	steps := []error{
		w.WriteEntry(layer.Entry{Name: "etc", Type: layer.TypeDir, Mode: 0o755}, nil),
		w.Whiteout("etc/issue"),
		w.WriteEntry(layer.Entry{Name: "etc/motd", Type: layer.TypeReg, Mode: 0o644, Size: int64(len(motd))}, strings.NewReader(motd)),
		w.Close(),
	}
	for _, err := range steps {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(w.DiffID(), w.Size())
	// Output:
	// sha256:b7d065efb1589e7d734fffa4358dde7611805fa7d8236fd9dd3ee5ff8c6c1291 3072
}

func ExampleReadTree() {
	var archive bytes.Buffer
	w := layer.NewWriter(&archive)
	w.Whiteout("etc/issue")
	w.WriteEntry(layer.Entry{Name: "etc/motd", Type: layer.TypeReg, Mode: 0o644}, nil)
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}

	tree, err := layer.ReadTree(&archive)
	if err != nil {
		fmt.Println(err)
		return
	}
	tree.Walk(func(e layer.Entry) error {
		fmt.Printf("%04o %s\n", e.Mode, e.Name)
		return nil
	})
	fmt.Println("hidden:", tree.Whiteouts("etc"))
	// Output:
	// 0755 etc
	// 0644 etc/motd
	// hidden: [issue]
}
