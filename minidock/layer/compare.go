package layer

import (
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// maxDifferences is how many a DifferentError names.
const maxDifferences = 8

// A DifferentError says in what a directory is not what its archive says.
type DifferentError struct {
	Differences []string // the first of them, each with the name of a file
	More        int      // how many others there are
}

func (e *DifferentError) Error() string {
	text := strings.Join(e.Differences, "; ")
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more", e.More)
	}
	return text
}

func (e *DifferentError) add(name, format string, args ...any) {
	if len(e.Differences) == maxDifferences {
		e.More++
		return
	}
	e.Differences = append(e.Differences, printable(name)+": "+fmt.Sprintf(format, args...))
}

// printable quotes a name that would spoil a terminal or a list.
func printable(name string) string {
	isPlain := func(r rune) bool { return unicode.IsPrint(r) && r != unicode.ReplacementChar }
	if strings.IndexFunc(name, func(r rune) bool { return !isPlain(r) }) < 0 {
		return name
	}
	return strconv.Quote(name)
}

// A promise is what an archive says that a directory holds. Contents are kept as
// their hashes: which of several entries of one name counts is known at the end only.
type promise struct {
	tree  *Tree
	root  bool                      // the archive has an entry for the root
	sums  map[int][sha256.Size]byte // of the contents, by the number of the entry
	limit int64
}

// readPromise reads a whole archive.
func readPromise(r io.Reader, limit int64) (*promise, error) {
	plain, err := Decompress(r)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	ahead := readAhead(plain, limit)
	defer ahead.stop()

	p := &promise{tree: NewTree(), sums: map[int][sha256.Size]byte{}, limit: limit}
	in, buf := newReader(ahead), make([]byte, 64<<10)
	for {
		what, e, err := in.next()
		if err == io.EOF {
			_, err = ahead.rest()
			return p, err
		}
		if err == nil {
			err = p.add(what, e, in.tar, buf)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *promise) add(what op, e Entry, content io.Reader, buf []byte) error {
	if err := p.tree.apply(what, e); err != nil {
		return err
	}
	p.root = p.root || what == opAdd && e.Name == "."
	if what == opAdd && e.Type == TypeReg && e.Size > 0 {
		if p.limit -= e.Size; p.limit < 0 {
			return fmt.Errorf("entry %q: the files are larger than the limit", e.Name)
		}
		sum, err := sumOf(content, buf)
		if err != nil {
			return fmt.Errorf("entry %q: read contents: %w", e.Name, err)
		}
		p.sums[p.tree.index] = sum
		p.tree.memory += 64
	}
	if p.tree.index++; p.tree.memory > maxMemory {
		return errTooManyNames
	}
	return nil
}

func sumOf(r io.Reader, buf []byte) (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, onlyReader{r}, buf); err != nil {
		return sum, err
	}
	hash.Sum(sum[:0])
	return sum, nil
}
