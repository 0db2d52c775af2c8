package draw

import "strings"

// Text is the picture for a terminal, the base first: a file is there before it is
// changed or removed.
func (t Tree) Text(opt Options) string {
	p := newPage(opt)
	p.heading(visible(t.Name), t.summary())
	for n, l := range t.Layers {
		if n > 0 {
			p.end()
		}
		p.layerTree(t, l)
	}
	if len(t.Layers) > 0 {
		p.end()
	}
	p.flow("   ", "A added", "C changed: the whole file again", "D removed: a whiteout")
	if t.Wasted() > 0 {
		p.flow(" ", strings.Fields("wasted: bytes of files that later layers replace or remove; they stay below")...)
	}
	return p.String()
}

func (p *page) layerTree(t Tree, l Layer) {
	room := p.width - 2 - 2 - idColumns - 2 - sizeColumns
	if l.Writable {
		p.put(writable, "□ "+pad(fit(l.heading(), room), room))
	} else {
		p.put(plain, "■ ")
		p.command(l.heading(), room)
	}
	p.columns(l.DiffID, l.Size)
	p.end()
	rows, more := t.rows(l)
	for _, r := range rows {
		p.row(r)
	}
	switch {
	case more > 0:
		p.line(faint, "  "+moreText(more))
	case len(rows) == 0:
		p.line(faint, "  no files")
	}
}

// kindStyle is the colour of a mark.
func kindStyle(k Kind) style {
	switch k {
	case Added:
		return "36"
	case Changed:
		return "33"
	case Removed:
		return "35"
	}
	return plain
}

func (k Kind) sign() string {
	if k == 0 {
		return " "
	}
	return visible(string(rune(k)))
}

// row writes a line. What is on the right gives way first, then the guides.
func (p *page) row(r row) {
	room := p.width - 4 - 2 - sizeColumns
	p.put(plain, "  ")
	p.put(kindStyle(r.kind), r.kind.sign())
	p.put(plain, " ")
	lines := head(guides(r.lasts), room-12)
	room -= columns(lines)
	p.put(faint, lines)
	if r.note != "" {
		r.note = "  " + r.note
	}
	name := fitName(r.name, max(room-columns(r.note), min(room, 24)))
	p.put(kindStyle(r.kind), name)
	room -= columns(name)
	p.put(faint, pad(fit(r.note, room), room))
	if r.size > 0 {
		p.put(plain, "  "+padLeft(size(r.size), sizeColumns))
	}
	p.end()
}

// guides are the lines that lead from a directory to what is in it.
func guides(lasts []bool) string {
	var b strings.Builder
	for n, last := range lasts {
		switch end := n == len(lasts)-1; {
		case n == 0: // what is in the root needs no line
		case end && last:
			b.WriteString("└─ ")
		case end:
			b.WriteString("├─ ")
		case last:
			b.WriteString("   ")
		default:
			b.WriteString("│  ")
		}
	}
	return b.String()
}
