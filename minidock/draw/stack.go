package draw

import (
	"fmt"
	"slices"
	"strings"
)

// A Stack is one image from the bottom up, with its containers on top.
type Stack struct{ Image }

// summary is the line below the name.
func (s Stack) summary() string {
	text := fmt.Sprintf("%s · %s", count(len(s.layers()), "layer"), size(s.size()))
	if n := len(s.Containers); n > 0 {
		text += " · " + count(n, "container")
	}
	if s.ID != "" {
		text = id(s.ID) + " · " + text
	}
	return text
}

// largest is the size that gets the greatest height.
func (s Stack) largest() (n int64) {
	for _, step := range s.layers() {
		n = max(n, step.Size)
	}
	return n
}

// fromTheTop are the steps in the order in which they are drawn.
func (s Stack) fromTheTop() []Step {
	steps := slices.Clone(s.Steps)
	slices.Reverse(steps)
	return steps
}

// Text is the picture for a terminal.
func (s Stack) Text(opt Options) string {
	p := newPage(opt)
	p.heading(s.name(), s.summary())
	s.containersText(p)
	s.layersText(p)
	return p.String()
}

// containersText draws the writable layers side by side, as many as fit.
func (s Stack) containersText(p *page) {
	if len(s.Containers) == 0 {
		return
	}
	const narrowest = 18
	across := perRow(len(s.Containers), (p.width+1)/(narrowest+1))
	inside := (p.width+1)/across - 1 - 4
	for row := range slices.Chunk(s.Containers, across) {
		frame := strings.Repeat("╌", inside+2)
		boxes(p, row, func(Container) string { return "╭" + frame + "╮" })
		boxes(p, row, func(c Container) string { return "╎ " + pad(fitName(c.name(), inside), inside) + " ╎" })
		boxes(p, row, func(c Container) string { return "╎ " + pad(fit(c.holds(), inside), inside) + " ╎" })
		boxes(p, row, func(Container) string { return "╰" + frame + "╯" })
	}
	p.flow(" ", strings.Fields("above: writable, one layer for each container")...)
	p.flow(" ", strings.Fields("below: read-only, the layers of the image, for all of them")...)
}

func boxes(p *page, row []Container, draw func(Container) string) {
	for n, c := range row {
		if n > 0 {
			p.put(plain, " ")
		}
		p.put(writable, draw(c))
	}
	p.end()
}

// layersText draws the steps, the last one on top. A step without a layer is part of
// the rule between two layers: it has no height.
func (s Stack) layersText(p *page) {
	largest := s.largest()
	left, right := "┌", "┐"
	ruled := false // the line above is a rule
	for _, step := range s.fromTheTop() {
		switch {
		case step.DiffID == "":
			settingText(p, left, right, step)
			ruled = true
		default:
			if !ruled {
				rule(p, left, right)
			}
			layerText(p, step, scaled(step.Size, largest, 1, 5))
			ruled = false
		}
		left, right = "├", "┤"
	}
	if len(s.Steps) == 0 {
		rule(p, left, right)
	}
	rule(p, "└", "┘")
}

func rule(p *page, left, right string) {
	p.line(plain, left+strings.Repeat("─", p.width-2)+right)
}

func settingText(p *page, left, right string, step Step) {
	const around = 10 // columns of all that is not the text
	text := fit(step.instruction(), p.width-around)
	p.put(plain, left+"─ ")
	p.put(faint, text)
	p.put(plain, " "+strings.Repeat("─", p.width-around-columns(text)))
	p.put(faint, " 0B ")
	p.put(plain, "─"+right)
	p.end()
}

// sizeColumns is the longest size, "1.23e+03YB" aside.
const sizeColumns = 8

func layerText(p *page, step Step, height int) {
	for line := range height {
		p.put(plain, "│ ")
		if line == (height-1)/2 {
			p.command(step.instruction(), p.width-4-2-idColumns-2-sizeColumns)
			p.columns(step.DiffID, step.Size)
		} else {
			p.put(plain, strings.Repeat(" ", p.width-4))
		}
		p.put(plain, " │")
		p.end()
	}
}

// columns adds the two columns that every kind of line ends with.
func (p *page) columns(digest string, bytes int64) {
	p.put(faint, "  "+pad(id(digest), idColumns))
	p.put(plain, "  "+padLeft(size(bytes), sizeColumns))
}
