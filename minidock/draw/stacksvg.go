package draw

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Lengths in the picture of a stack.
const (
	gutter      = 104 // on the right, for what is said about the layers
	stackWide   = plainest - 2*margin - gutter
	layerLow    = 34
	layerHigh   = 130
	settingTall = 20
	thin        = 40 // a container's layer
	gap         = 8
)

// SVG is the picture for a page.
func (s Stack) SVG() string {
	d := &sheet{}
	d.heading(plainest, s.name(), s.summary())
	y := s.containersSVG(d, top)
	start, largest := y, s.largest()
	for _, step := range s.fromTheTop() {
		if step.DiffID == "" {
			settingSVG(d, y, step)
			y += settingTall
			continue
		}
		h := scaled(step.Size, largest, layerLow, layerHigh)
		layerSVG(d, y, h, step)
		y += h + 3
	}
	if y > start {
		brace(d, start, y-3, "read-only", "the image")
	}
	d.line("ground", margin, y+5, margin+stackWide, y+5)
	d.text("word", margin, y+24, stackWide, "scratch")
	return d.document(plainest, y+44, s.name(), s.description())
}

// containersSVG draws the writable layers side by side and returns where the next
// thing goes.
func (s Stack) containersSVG(d *sheet, y int) int {
	if len(s.Containers) == 0 {
		return y
	}
	start, across := y, perRow(len(s.Containers), 4)
	w := (stackWide+gap)/across - gap
	for row := range slices.Chunk(s.Containers, across) {
		for n, c := range row {
			containerSVG(d, margin+n*(w+gap), y, w, c)
		}
		y += thin + gap
	}
	brace(d, start, y-gap, "writable", "one for each")
	return y
}

func containerSVG(d *sheet, x, y, w int, c Container) {
	d.group("container "+c.name(), c.ID, c.holds())
	d.rect("container", x, y, w, thin)
	d.text("strong", x+10, y+17, w-20, fitName(c.name(), fitting(w-20, column)))
	d.text("faint", x+10, y+32, w-20, fit(c.holds(), fitting(w-20, smallColumn)))
	d.close()
}

func layerSVG(d *sheet, y, h int, step Step) {
	d.group(step.title()...)
	d.rect("layer", margin, y, stackWide, h)
	base, end := y+h/2+4, margin+stackWide-12
	d.command(margin+12, base, stackWide-24-idWide-sizeWide-8, step.instruction())
	d.right("faint", end-sizeWide-idWide, base, idWide, id(step.DiffID))
	d.right("strong", end-sizeWide, base, sizeWide, size(step.Size))
	d.close()
}

// title is all that is known about a step, in lines.
func (s Step) title() []string {
	text := cmp.Or(oneLine(s.CreatedBy), s.instruction())
	if s.DiffID == "" {
		return []string{text, "changes settings only, no layer"}
	}
	return []string{text, s.DiffID, size(s.Size)}
}

// settingSVG draws a step without a layer as what it is, a line.
func settingSVG(d *sheet, y int, step Step) {
	const end = 30
	most := fitting(stackWide-24-end-30, smallColumn)
	text := fit(step.instruction(), most)
	used := 12 + int(float64(columns(text))*smallColumn) + 8
	d.group(step.title()...)
	d.text("faint", margin+12, y+13, stackWide-24-end, text)
	d.line("line", margin+used, y+9, margin+stackWide-12-end, y+9)
	d.right("faint", margin+stackWide-12-end, y+13, end, "0B")
	d.close()
}

// brace says on the right what the layers from y1 to y2 are.
func brace(d *sheet, y1, y2 int, what, more string) {
	x, middle := margin+stackWide+10, (y1+y2)/2
	fmt.Fprintf(&d.b, `<path class="line" d="M%d %dh6V%dh-6"/>`+"\n", x, y1+1, y2-1)
	d.text("word", x+14, middle-3, gutter-14, what)
	d.text("word", x+14, middle+12, gutter-14, more)
}

// description says in words what the picture shows.
func (s Stack) description() string {
	var b strings.Builder
	fmt.Fprintf(&b, "An image as a stack: %s. From the bottom:", s.summary())
	for _, step := range s.Steps {
		fmt.Fprintf(&b, " %s (%s).", fit(step.instruction(), 60), size(step.Size))
	}
	for _, c := range s.Containers {
		fmt.Fprintf(&b, " On top the writable layer of container %s: %s.", c.name(), c.holds())
	}
	return b.String()
}
