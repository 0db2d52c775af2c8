package build

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// hashPicks lists files as inputs of a key: everything about a file that ends
// up in the layer, except times. With times in it, touch(1) or a fresh clone of
// a repository would change every key.
func hashPicks(ctx context.Context, src source.Source, picks []source.Pick) ([]Input, error) {
	var files []layer.Entry
	for _, p := range picks {
		for _, e := range p.Files {
			if e.Type == layer.TypeReg && p.Text == nil {
				files = append(files, e)
			}
		}
	}
	sums := make(map[string]digest.Digest, len(files))
	if len(files) > 0 { // here-documents have no source
		digests, err := src.Sums(ctx, files)
		if err != nil {
			return nil, err
		}
		for i, e := range files {
			sums[e.Name] = digests[i]
		}
	}
	var inputs []Input
	for _, p := range picks {
		if p.Dir != "" {
			inputs = append(inputs, Input{"directory " + p.Name, contents})
		}
		for _, e := range p.Files {
			sum := sums[e.Name]
			if p.Text != nil {
				sum = digest.FromBytes([]byte(*p.Text))
			}
			inputs = append(inputs, Input{kind(e) + " " + inputName(p, e), describe(e, sum)})
		}
	}
	return inputs, nil
}

// inputName is the name under which a file is an input.
func inputName(p source.Pick, e layer.Entry) string {
	if p.Dir == "" {
		return p.Name // not where a link led to: its last part is the name in the image
	}
	return e.Name
}

// kind is the type of a file in a word.
func kind(e layer.Entry) string {
	switch e.Type {
	case layer.TypeReg:
		return "file"
	case layer.TypeDir:
		return "directory"
	case layer.TypeSymlink:
		return "link"
	}
	return "special file"
}

// describe is everything else about a file: "0755 0:0 69 sha256:8f43…".
func describe(e layer.Entry, sum digest.Digest) string {
	b := make([]byte, 0, 128)
	b = fmt.Appendf(b, "%04o %d:%d", e.Mode, e.UID, e.GID)
	switch e.Type {
	case layer.TypeReg:
		b = strconv.AppendInt(append(b, ' '), e.Size, 10)
		b = append(append(b, ' '), sum...)
	case layer.TypeSymlink:
		b = append(append(b, " -> "...), e.Linkname...)
	case layer.TypeDir:
	default:
		b = fmt.Appendf(b, " type %c %d,%d", e.Type, e.Devmajor, e.Devminor)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Xattrs)) {
		b = fmt.Appendf(b, " %s=%q", name, e.Xattrs[name])
	}
	return string(b)
}

// contents stands for a directory that gives only what is in it: its own mode
// and owner do not matter.
const contents = "contents"

// contentName is the name that the history gives to what was copied, in the
// form that docker's first builder had: the kind, and the hash of the files.
func contentName(inputs []Input) string {
	directories := 0
	for _, in := range inputs {
		if in.Value == contents {
			directories++
		}
	}
	kind := "multi"
	switch {
	case directories == 1 && inputs[0].Value == contents:
		kind = "dir"
	case directories == 0 && len(inputs) == 1:
		kind = "file"
	}
	return kind + ":" + string(NewKey(inputs))
}
