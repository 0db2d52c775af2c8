package draw

import (
	"fmt"
	"strings"
)

// Lengths in the picture of a tree.
const (
	treeWide   = plainest - 2*margin
	headTall   = 32
	rowTall    = 20
	indent     = 16
	treeMargin = 44 // where names begin
)

// SVG is the picture for a page.
func (t Tree) SVG() string {
	d := &sheet{}
	d.heading(plainest, visible(t.Name), t.summary())
	y := top
	for _, l := range t.Layers {
		y = t.layerSVG(d, y, l) + 12
	}
	d.marks(y + 16)
	return d.document(plainest, y+44, visible(t.Name), t.description())
}

// layerSVG draws a layer and returns where it ends.
func (t Tree) layerSVG(d *sheet, y int, l Layer) int {
	class, x := "layer", margin+12
	if l.Writable {
		class = "container"
	}
	d.group(l.title()...)
	d.rect(class, margin, y, treeWide, headTall)
	d.command(x, y+20, treeWide-24-idWide-sizeWide-16, l.heading())
	d.right("faint", margin+treeWide-12-sizeWide-idWide, y+20, idWide, id(l.DiffID))
	d.right("strong", margin+treeWide-12-sizeWide, y+20, sizeWide, size(l.Size))
	d.close()
	y += headTall + 4
	rows, more := t.rows(l)
	for _, r := range rows {
		d.file(y, r)
		y += rowTall
	}
	switch {
	case more > 0:
		d.text("faint", margin+treeMargin, y+14, treeWide-treeMargin, moreText(more))
		y += rowTall
	case len(rows) == 0:
		d.text("faint", margin+treeMargin, y+14, treeWide-treeMargin, "no files")
		y += rowTall
	}
	return y
}

// file draws a line. However deep it is, there is room for its name.
func (d *sheet) file(y int, r row) {
	const noteWide = 250
	deep := min(len(r.lasts)-1, 16)
	x, base := margin+treeMargin+deep*indent, y+14
	d.group(r.title()...)
	if r.kind != 0 {
		d.text("strong "+r.kind.class(), margin+18, base, 14, r.kind.sign())
	}
	for n := 1; n <= deep; n++ {
		left := margin + treeMargin + (n-1)*indent + 4
		bottom := y + rowTall
		if n == deep && r.lasts[len(r.lasts)-1] {
			bottom = y + rowTall/2
		}
		if n == deep {
			d.line("line", left, y+rowTall/2, left+9, y+rowTall/2)
		} else if r.lasts[n] {
			continue
		}
		d.line("line", left, y, left, bottom)
	}
	end := margin + treeWide - 12
	d.text(r.kind.class(), x, base, end-sizeWide-noteWide-x, fitName(r.name, fitting(end-sizeWide-noteWide-x, column)))
	d.right("faint", end-sizeWide-noteWide, base, noteWide, fit(r.note, fitting(noteWide, smallColumn)))
	if r.size > 0 {
		d.right("", end-sizeWide, base, sizeWide, size(r.size))
	}
	d.close()
}

func (r row) title() []string {
	first := strings.TrimSpace(r.kind.sign() + " " + r.name)
	if r.note == "" {
		return []string{first}
	}
	return []string{first, r.note}
}

// class is the colour of a mark.
func (k Kind) class() string {
	switch k {
	case Added, Changed, Removed:
		return string(rune(k))
	}
	return ""
}

// marks explains the letters.
func (d *sheet) marks(y int) {
	x := margin + 18
	for _, k := range []struct {
		kind Kind
		text string
	}{{Added, "added"}, {Changed, "changed: the whole file again"}, {Removed, "removed: a whiteout, the bytes stay below"}} {
		d.text("strong "+k.kind.class(), x, y, 14, k.kind.sign())
		d.text("word", x+18, y, wordWidth(k.text)+16, k.text)
		x += 18 + wordWidth(k.text) + 22
	}
}

// description says in words what the picture shows.
func (t Tree) description() string {
	var b strings.Builder
	fmt.Fprintf(&b, "The files of each layer: %s.", t.summary())
	for _, l := range t.Layers {
		numbers := map[Kind]int{}
		for _, c := range l.Changes {
			numbers[c.Kind]++
		}
		fmt.Fprintf(&b, " %s: %d added, %d changed, %d removed.", fit(l.heading(), 60), numbers[Added], numbers[Changed], numbers[Removed])
	}
	return b.String()
}
