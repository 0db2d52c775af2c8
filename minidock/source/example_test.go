package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/source"
)

// What COPY *.go finds in a context, and what of it would change the key of the step.
func Example() {
	context, err := os.MkdirTemp("", "demo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(context)
	for name, content := range map[string]string{"main.go": "package main\n", "old.go": "package old\n", "notes": ""} {
		if err := os.WriteFile(filepath.Join(context, name), []byte(content), 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}
	ignored, err := ignore.Parse(strings.NewReader("old.*\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := printGo(context, ignored); err != nil {
		fmt.Println(err)
	}
	// Output:
	// main.go: 13 bytes, sha256:df1d036cbbf3
}

func printGo(dir string, ignored *ignore.Matcher) error {
	d, err := source.OpenDirectory(dir, ignored, source.DirectoryOptions{})
	if err != nil {
		return err
	}
	defer d.Close()
	picks, err := source.PickAll(d, []string{"*.go"}, nil)
	if err != nil {
		return err
	}
	for _, p := range picks {
		sums, err := d.Sums(context.Background(), p.Files)
		if err != nil {
			return err
		}
		for e := range p.Files {
			fmt.Printf("%s: %d bytes, sha256:%x\n", e.Name, e.Size, sums[0][:6])
		}
	}
	return nil
}
