package draw

import (
	"fmt"
	"slices"
	"strings"
)

// Lengths in the picture of an ancestry.
const (
	cell       = 144  // the least width of anything
	widest     = 1500 // beyond it the next tree begins a row of its own
	nodeLow    = 44
	nodeHigh   = 110
	labelTall  = 40
	acrossMost = 4 // containers in a row
)

// A block is something in the picture that others stand on. All blocks above one
// have together at most its width.
type block struct {
	draw   func(d *sheet, x, y, w, h int)
	width  int // the least that it needs, with all above it
	height int // its own
	above  []block
}

// SVG is the picture for a page.
func (a Ancestry) SVG() string {
	d, root := &sheet{}, a.tree()
	blocks := root.stand(root.largest())
	width := plainest
	var rows [][]block
	used := 0
	for _, b := range blocks {
		if used += b.width + gap; rows == nil || used > widest {
			rows, used = append(rows, nil), b.width+gap
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], b)
		width = max(width, used-gap+2*margin)
	}
	d.heading(width, a.title(), a.summary(root))
	y := top
	for _, row := range rows {
		across := together(row)
		if len(rows) == 1 {
			across = width - 2*margin
		}
		y = d.forest(row, y, across, width-2*margin)
	}
	if rows == nil {
		y = d.forest(nil, y, 0, width-2*margin)
	}
	d.legend(y+12, root)
	return d.document(width, y+44, a.title(), a.description(root))
}

func (n *node) largest() (bytes int64) {
	n.walk(func(n *node) { bytes = max(bytes, n.step.Size) })
	return bytes
}

// stand returns the blocks that stand on a node.
func (n *node) stand(largest int64) (blocks []block) {
	for _, i := range n.images {
		blocks = append(blocks, i.block())
	}
	for _, c := range n.above {
		b := block{draw: c.draw, height: scaled(c.step.Size, largest, nodeLow, nodeHigh), above: c.stand(largest)}
		b.width = max(cell, together(b.above))
		blocks = append(blocks, b)
	}
	return blocks
}

func together(blocks []block) (width int) {
	for _, b := range blocks {
		width += b.width + gap
	}
	return max(0, width-gap)
}

// tall is the height of a block with all above it.
func (b block) tall() int { return b.height + 3 + tallest(b.above) }

func tallest(blocks []block) (h int) {
	for _, b := range blocks {
		h = max(h, b.tall())
	}
	return h
}

// forest draws blocks, together so wide, on scratch and returns where the next row begins.
func (d *sheet) forest(blocks []block, y, across, width int) int {
	ground := y + tallest(blocks)
	d.place(blocks, margin, ground, across)
	d.line("ground", margin, ground+3, margin+width, ground+3)
	d.text("word", margin, ground+22, width, "scratch")
	return ground + 44
}

// place draws blocks side by side on the ground, across the whole width.
func (d *sheet) place(blocks []block, x, ground, width int) {
	spare := width - together(blocks)
	for n, b := range blocks {
		extra := spare / (len(blocks) - n)
		spare -= extra
		y := ground - b.height - 3
		b.draw(d, x, y, b.width+extra, b.height)
		d.place(b.above, x, y, b.width+extra)
		x += b.width + extra + gap
	}
}

func (n *node) draw(d *sheet, x, y, w, h int) {
	class := "layer"
	switch {
	case n.again:
		class = "again"
	case n.users > 1:
		class = "shared"
	}
	title := n.step.title()
	if note := n.note(); note != "" {
		title = append(title, note)
	}
	d.group(title...)
	d.rect(class, x, y, w, h)
	d.command(x+10, y+h/2-4, w-20, n.step.brief(fitting(w-20, column)))
	d.text("strong", x+10, y+h/2+13, sizeWide, size(n.step.Size))
	text := strings.TrimPrefix(n.note(), "again, ")
	if room := fitting(w-20-sizeWide, smallColumn); text != "" && columns(text) > room {
		text = ""
	} else if note := strings.TrimPrefix(text+" · "+id(n.step.DiffID), " · "); columns(note) <= room {
		text = note
	}
	d.right("faint", x+10+sizeWide, y+h/2+13, w-20-sizeWide, text)
	d.close()
}

func (i Image) block() block {
	b := block{draw: i.draw, height: labelTall, width: cell}
	if n := len(i.Containers); n > 0 {
		across := perRow(n, acrossMost)
		b.width = across*(cell+gap) - gap
		b.above = []block{{draw: i.drawContainers, width: b.width, height: (n + across - 1) / across * (thin + 3)}}
	}
	return b
}

// draw draws the label of an image.
func (i Image) draw(d *sheet, x, y, w, h int) {
	d.group("image "+i.allNames(), i.ID, count(len(i.layers()), "layer")+", "+size(i.size()))
	d.rect("image", x, y, w, h)
	name, tag := i.name(), ""
	room := fitting(w-20-sizeWide, smallColumn)
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name, tag = name[:colon], name[colon+1:]
	}
	if n := len(i.Names); n > 1 {
		tag += fmt.Sprintf(" +%d", n-1)
	} else if n == 0 {
		tag = head(id(i.ID), room)
	}
	d.text("strong on", x+10, y+17, w-20, fitName(name, fitting(w-20, column)))
	d.text("faint on", x+10, y+32, w-20-sizeWide, fitName(tag, room))
	d.right("faint on", x+w-10-sizeWide, y+32, sizeWide, size(i.size()))
	d.close()
}

func (i Image) drawContainers(d *sheet, x, y, w, _ int) {
	across := perRow(len(i.Containers), acrossMost)
	each := (w+gap)/across - gap
	for row := range slices.Chunk(i.Containers, across) {
		for n, c := range row {
			containerSVG(d, x+n*(each+gap), y, each, c)
		}
		y += thin + 3
	}
}

// legend explains the colours.
func (d *sheet) legend(y int, root *node) {
	signs := [][2]string{
		{"shared", "shared layer"}, {"layer", "layer of one image"}, {"image", "image"}, {"container", "container's layer"},
	}
	again := false
	if root.walk(func(n *node) { again = again || n.again }); again {
		signs = slices.Insert(signs, 2, [2]string{"again", "the same layer again"})
	}
	x := margin
	for _, sign := range signs {
		d.rect(sign[0], x, y, 18, 12)
		x += 26
		d.text("word", x, y+10, wordWidth(sign[1])+16, sign[1])
		x += wordWidth(sign[1]) + 22
	}
}

// wordWidth is about the width of a text of ours, in a font that is not monospaced.
func wordWidth(text string) int { return int(float64(len(text)) * 6.3) }

// description says in words what the picture shows.
func (a Ancestry) description(root *node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Images that grow from scratch: %s, %s.", a.title(), a.summary(root))
	root.walk(func(n *node) {
		for _, i := range n.images {
			fmt.Fprintf(&b, " %s: %s, %s", i.allNames(), count(len(i.layers()), "layer"), size(i.size()))
			for _, c := range i.Containers {
				fmt.Fprintf(&b, "; container %s, %s", c.name(), c.holds())
			}
			b.WriteString(".")
		}
	})
	return b.String()
}
