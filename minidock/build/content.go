package build

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// hashPicks lists files as inputs of a key: everything about a file that ends
// up in the layer, except times. With times in it, touch(1) or a fresh clone of
// a repository would change every key.
func hashPicks(ctx context.Context, src source.Source, picks []source.Pick) ([]Input, error) {
	sums := &sumReader{src: src, picks: picks}
	var inputs []Input
	for _, p := range picks {
		inputs = slices.Grow(inputs, len(p.Files)+1)
		if p.Dir != "" {
			inputs = append(inputs, Input{"directory " + printed(p.Name), contents})
		}
		for _, e := range p.Files {
			var sum digest.Digest
			switch {
			case p.Text != nil:
				sum = digest.FromBytes([]byte(*p.Text))
			case e.Type == layer.TypeReg:
				var err error
				if sum, err = sums.next(ctx); err != nil {
					return nil, err
				}
			}
			inputs = append(inputs, fileInput(inputName(p, e), e, sum))
		}
	}
	return inputs, nil
}

// A sumReader returns the digests of the regular files in picks, one after the other.
// The files of an image are asked for all at once, for then each layer is read once;
// those of a directory in batches, for there may be a million.
type sumReader struct {
	src   source.Source
	picks []source.Pick // those with files that were not asked for yet
	done  int           // files of the first of them that were

	files []layer.Entry   // a batch
	sums  []digest.Digest // what is left of it
}

const sumBatch = 4096

func (s *sumReader) next(ctx context.Context) (sum digest.Digest, err error) {
	if len(s.sums) == 0 {
		s.fill()
		if s.sums, err = s.src.Sums(ctx, s.files); err != nil {
			return "", err
		}
	}
	sum, s.sums = s.sums[0], s.sums[1:]
	return sum, nil
}

func (s *sumReader) fill() {
	_, inBatches := s.src.(*source.Directory)
	s.files = s.files[:0]
	for len(s.picks) > 0 && (len(s.files) < sumBatch || !inBatches) {
		p := s.picks[0]
		if p.Text != nil || s.done == len(p.Files) {
			s.picks, s.done = s.picks[1:], 0
			continue
		}
		if e := p.Files[s.done]; e.Type == layer.TypeReg {
			s.files = append(s.files, e)
		}
		s.done++
	}
}

// inputName is the name under which a file is an input.
func inputName(p source.Pick, e layer.Entry) string {
	if p.Dir == "" {
		return p.Name // not where a link led to: its last part is the name in the image
	}
	return e.Name
}

// fileInput is a file as an input. There may be a million of them, so the name and
// the value are one string in memory.
func fileInput(name string, e layer.Entry, sum digest.Digest) Input {
	b := make([]byte, 0, 256)
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
func describe(b []byte, e layer.Entry, sum digest.Digest) []byte {
	b = append(b, '0'+byte(e.Mode>>9&7), '0'+byte(e.Mode>>6&7), '0'+byte(e.Mode>>3&7), '0'+byte(e.Mode&7))
	b = strconv.AppendInt(append(b, ' '), int64(e.UID), 10)
	b = strconv.AppendInt(append(b, ':'), int64(e.GID), 10)
	switch e.Type {
	case layer.TypeReg:
		b = strconv.AppendInt(append(b, ' '), e.Size, 10)
		b = append(append(b, ' '), sum...)
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
