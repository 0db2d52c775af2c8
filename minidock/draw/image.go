package draw

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/go-units"
)

// An Image is what there is to draw of an image.
type Image struct {
	// Names are its names with their tags; none for a dangling image.
	Names []string
	// ID is the image ID, "sha256:…".
	ID string
	// Steps are the rows of its history, the first step first.
	Steps []Step
	// Containers are those made from it.
	Containers []Container
}

// A Step is one instruction of a Dockerfile, or whatever else made a layer.
type Step struct {
	// CreatedBy is the row's text in the history, "" if nobody knows.
	CreatedBy string
	// DiffID is the layer that the step made, "sha256:…"; "" for a step that
	// changed settings only.
	DiffID string
	// Size is the sum of the sizes of the layer's files, in bytes.
	Size int64
}

// A Container is a writable layer.
type Container struct {
	Name, ID string
	// Size is the sum of the sizes of the files in the layer, in bytes, and Files
	// their number.
	Size  int64
	Files int
	// Removed is the number of whiteouts: files of the image that it has deleted.
	Removed int
}

// name is how a picture calls the image; its other names are in the titles.
func (i Image) name() string {
	if len(i.Names) == 0 {
		return "<none>"
	}
	return visible(i.Names[0])
}

func (i Image) allNames() string {
	return cmp.Or(visible(strings.Join(i.Names, ", ")), i.name())
}

// layers are the steps that made a layer.
func (i Image) layers() []Step {
	return slices.DeleteFunc(slices.Clone(i.Steps), func(s Step) bool { return s.DiffID == "" })
}

func (i Image) size() (sum int64) {
	for _, s := range i.layers() {
		sum += max(0, s.Size)
	}
	return sum
}

func (c Container) name() string { return visible(cmp.Or(c.Name, id(c.ID))) }

// files says what is in a container's layer: "2 files, 1 removed".
func (c Container) files() string {
	var parts []string
	if c.Files > 0 {
		parts = append(parts, count(c.Files, "file"))
	}
	if c.Removed > 0 {
		parts = append(parts, fmt.Sprintf("%d removed", c.Removed))
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing written")
}

// holds is files with their size: "34kB, 2 files, 1 removed".
func (c Container) holds() string {
	if c.Files > 0 {
		return size(c.Size) + ", " + c.files()
	}
	return c.files()
}

// instruction is the text of a step as a Dockerfile has it. The history holds it in
// the shapes that docker's two builders gave it:
//
//	/bin/sh -c #(nop)  CMD ["sh"]         CMD ["sh"]
//	/bin/sh -c make                       RUN make
//	|1 V=1 /bin/sh -c make                RUN make
//	RUN /bin/sh -c make # buildkit        RUN make
func (s Step) instruction() string {
	text := strings.TrimSuffix(oneLine(s.CreatedBy), " # buildkit")
	before, command, ok := strings.Cut(text, "/bin/sh -c ")
	if ok && (before == "" || before == "RUN " || before[0] == '|') {
		text = "RUN " + command
		if setting, ok := strings.CutPrefix(command, "#(nop) "); ok {
			text = setting
		}
	}
	return cmp.Or(shortHashes(text), "(no history)")
}

// brief is instruction for n columns. A place that is too narrow for all of it gets no
// digest of what was copied, and so room for where: "COPY in /app".
func (s Step) brief(n int) string {
	text := s.instruction()
	if columns(text) > n {
		text = strings.Join(slices.DeleteFunc(strings.Fields(text), isSum), " ")
	}
	return fit(text, n)
}

// isSum knows the words by which docker's history tells what was copied,
// "file:4a0e…", in the length that shortHashes leaves.
func isSum(word string) bool {
	kind, hex, _ := strings.Cut(word, ":")
	return (kind == "file" || kind == "dir" || kind == "multi") && len(hex) == idColumns && strings.Trim(hex, "0123456789abcdef") == ""
}

// shortHashes cuts digests in a text to the twelve digits that people compare.
func shortHashes(text string) string {
	var b strings.Builder
	for text != "" {
		n := len(text) - len(strings.TrimLeft(text, "0123456789abcdef"))
		keep := max(n, 1)
		if n == 64 {
			keep = idColumns
		}
		b.WriteString(text[:keep])
		text = text[max(n, 1):]
	}
	return b.String()
}

// id is the beginning of a digest, as docker shows it.
func id(digest string) string {
	_, hex, ok := strings.Cut(digest, ":")
	if !ok {
		hex = digest
	}
	return head(visible(hex), idColumns)
}

const idColumns = 12

// size is a number of bytes as every command prints it.
func size(n int64) string { return units.HumanSizeWithPrecision(float64(max(0, n)), 3) }

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// scaled is a height between low and high, for a size between 0 and the largest.
func scaled(size, largest int64, low, high int) int {
	if size <= 0 || largest <= 0 {
		return low
	}
	part := min(1, float64(size)/float64(largest))
	return max(low, int(part*float64(high)+0.5))
}

// perRow is how many of n things go into a row that has room for most, if the rows
// are to be about equal.
func perRow(n, most int) int {
	rows := (n + most - 1) / most
	return (n + rows - 1) / rows
}
