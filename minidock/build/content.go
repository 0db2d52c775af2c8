package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// hashPicks lists files as inputs of a key: everything about a file that ends
// up in the layer, except times. With times in it, touch(1) or a fresh clone of
// a repository would change every key.
//
// There may be a million files. So what is kept of each are the 32 bytes of its hash,
// and the text is made when it is asked for.
func hashPicks(ctx context.Context, src source.Source, picks []source.Pick) (iter.Seq[Input], error) {
	sums, err := sumPicks(ctx, src, picks)
	return func(yield func(Input) bool) { yieldPicks(picks, sums, yield) }, err
}

// sumPicks returns the hashes of the regular files. Those of an image are asked for all
// at once, for then each layer is read once.
func sumPicks(ctx context.Context, src source.Source, picks []source.Pick) ([]source.Sum, error) {
	if src == nil {
		return nil, nil
	}
	return src.Sums(ctx, func(yield func(layer.Entry) bool) {
		for _, p := range picks {
			if p.Text != nil {
				continue
			}
			for e := range p.Files {
				if !yield(e) {
					return
				}
			}
		}
	})
}

func yieldPicks(picks []source.Pick, sums []source.Sum, yield func(Input) bool) {
	buf := make([]byte, 0, 256)
	for _, p := range picks {
		if p.Dir != "" && !yield(Input{"directory " + printed(p.Name), contents}) {
			return
		}
		for e := range p.Files {
			var sum source.Sum
			switch {
			case p.Text != nil:
				sum = sha256.Sum256([]byte(*p.Text))
			case e.Type == layer.TypeReg:
				sum, sums = sums[0], sums[1:]
			}
			if !yield(fileInput(buf, inputName(p, e), e, sum)) {
				return
			}
		}
	}
}

// inputName is the name under which a file is an input.
func inputName(p source.Pick, e layer.Entry) string {
	if p.Dir == "" {
		return p.Name // not where a link led to: its last part is the name in the image
	}
	return e.Name
}

// fileInput is a file as an input. The name and the value are one string in memory,
// which is made in b.
func fileInput(b []byte, name string, e layer.Entry, sum source.Sum) Input {
	b = append(append(append(b, kind(e)...), ' '), printed(name)...)
	n := len(b)
	text := string(describe(b, e, sum))
	return Input{text[:n], text[n:]}
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

// printed is a name as an input may have it. The cache keeps inputs as JSON, which
// is Unicode and nothing else, and two names must not look like one. A name that
// begins with a quotation mark is quoted, too, so that it is not taken for one
// that was.
func printed(name string) string {
	if utf8.ValidString(name) && !strings.HasPrefix(name, `"`) {
		return name
	}
	return strconv.Quote(name)
}

// describe adds everything else about a file: "0755 0:0 69 sha256:8f43…".
func describe(b []byte, e layer.Entry, sum source.Sum) []byte {
	b = append(b, '0'+byte(e.Mode>>9&7), '0'+byte(e.Mode>>6&7), '0'+byte(e.Mode>>3&7), '0'+byte(e.Mode&7))
	b = strconv.AppendInt(append(b, ' '), int64(e.UID), 10)
	b = strconv.AppendInt(append(b, ':'), int64(e.GID), 10)
	switch e.Type {
	case layer.TypeReg:
		b = strconv.AppendInt(append(b, ' '), e.Size, 10)
		b = hex.AppendEncode(append(b, " sha256:"...), sum[:])
	case layer.TypeSymlink:
		b = append(append(b, " -> "...), printed(e.Linkname)...)
	case layer.TypeDir:
	default:
		b = fmt.Appendf(b, " type %c %d,%d", e.Type, e.Devmajor, e.Devminor)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Xattrs)) {
		b = fmt.Appendf(b, " %s=%q", printed(name), e.Xattrs[name])
	}
	return b
}

// contents stands for a directory that gives only what is in it: its own mode
// and owner do not matter.
const contents = "contents"

// contentName is the name that the history gives to what was copied, in the
// form that docker's first builder had: the kind, and the hash of the files.
func contentName(inputs iter.Seq[Input]) string {
	directories, files, first := 0, 0, false
	for in := range inputs {
		if files++; in.Value == contents {
			directories++
			first = first || files == 1
		}
	}
	kind := "multi"
	switch {
	case directories == 1 && first:
		kind = "dir"
	case directories == 0 && files == 1:
		kind = "file"
	}
	return kind + ":" + string(keyOf(inputs))
}
