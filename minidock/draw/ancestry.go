package draw

import (
	"cmp"
	"fmt"
	"slices"
)

// An Ancestry is images that may share layers. It grows from scratch, where there is
// nothing, upwards: a layer that several images have is drawn once, and above it
// they part. Each image stands where its layers end, and its containers on it.
// Steps that only changed settings are left out.
type Ancestry struct{ Images []Image }

// A node is a layer on the ones below it.
type node struct {
	step   Step
	images []Image // that end here
	above  []*node
	users  int  // images that have it
	again  bool // another node has the same layer: it is stored once all the same
}

// tree puts the images together. The node that is returned is scratch.
func (a Ancestry) tree() *node {
	images := slices.Clone(a.Images)
	slices.SortStableFunc(images, byName)
	root, seen := &node{}, map[string]bool{}
	for _, i := range images {
		n := root
		for _, step := range i.layers() {
			n = n.child(step, seen)
			n.users++
		}
		n.images = append(n.images, i)
	}
	return root
}

// byName puts images in the order of their names, and those without behind them.
func byName(a, b Image) int {
	return cmp.Or(cmp.Compare(min(1, len(b.Names)), min(1, len(a.Names))), cmp.Compare(a.name(), b.name()), cmp.Compare(a.ID, b.ID))
}

func (n *node) child(step Step, seen map[string]bool) *node {
	for _, c := range n.above {
		if c.step.DiffID == step.DiffID {
			c.step.CreatedBy = cmp.Or(c.step.CreatedBy, step.CreatedBy)
			return c
		}
	}
	c := &node{step: step, again: seen[step.DiffID]}
	seen[step.DiffID] = true
	n.above = append(n.above, c)
	return c
}

// walk calls visit for a node and all above it.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, c := range n.above {
		c.walk(visit)
	}
}

// stored is the number and the size of the layers, each counted once.
func (n *node) stored() (layers int, bytes int64) {
	n.walk(func(n *node) {
		if n.step.DiffID != "" && !n.again {
			layers++
			bytes += max(0, n.step.Size)
		}
	})
	return layers, bytes
}

func (a Ancestry) title() string {
	containers := 0
	for _, i := range a.Images {
		containers += len(i.Containers)
	}
	text := count(len(a.Images), "image")
	if containers > 0 {
		text += " · " + count(containers, "container")
	}
	return text
}

// summary compares what is stored with what copies would take.
func (a Ancestry) summary(root *node) string {
	layers, bytes := root.stored()
	var apart int64
	for _, i := range a.Images {
		apart += i.size()
	}
	text := fmt.Sprintf("%s · %s", count(layers, "layer"), size(bytes))
	if apart > bytes {
		text += fmt.Sprintf(" stored · %s as separate copies", size(apart))
	}
	return text
}

// note is what is worth knowing about a layer besides its size.
func (n *node) note() string {
	switch {
	case n.again:
		return "again, stored once"
	case n.users > 1:
		return fmt.Sprintf("in %d images", n.users)
	}
	return ""
}

// A twig is a line of the text: scratch, a layer, an image or a container.
type twig struct {
	prefix, sign string
	st           style
	text, note   string
	digest       string
	size         int64
}

// Text is the picture for a terminal. It grows upwards, as a stack does: to a layer
// belongs what is above it in the same column, and what branches off.
func (a Ancestry) Text(opt Options) string {
	p, root := newPage(opt), a.tree()
	p.heading(a.title(), a.summary(root))
	lines := root.twigs("", "", nil)
	for n := len(lines) - 1; n > 0; n-- {
		p.twig(lines[n])
	}
	p.line(faint, "○ scratch")
	p.end()
	p.flow("   ", "■ layer, read-only", "◆ image", "□ writable layer of a container")
	return p.String()
}

// twigs adds the lines of a node and of all above it, from the bottom up. The node's
// own line begins with own, those above it with prefix.
func (n *node) twigs(own, prefix string, lines []twig) []twig {
	lines = append(lines, twig{prefix: own, sign: "■", text: n.step.instruction(), note: n.note(), digest: n.step.DiffID, size: n.step.Size})
	left := len(n.images) + len(n.above)
	next := func() (own, above string) {
		if left--; left == 0 {
			return prefix, prefix
		}
		return prefix + "├─", prefix + "│ "
	}
	for _, i := range n.images {
		own, above := next()
		lines = i.twigs(own, above, lines)
	}
	for _, c := range n.above {
		own, above := next()
		lines = c.twigs(own, above, lines)
	}
	return lines
}

func (i Image) twigs(own, prefix string, lines []twig) []twig {
	lines = append(lines, twig{prefix: own, sign: "◆", st: labelled, text: i.allNames(), digest: i.ID, size: i.size()})
	for _, c := range i.Containers {
		lines = append(lines, twig{prefix: prefix, sign: "□", st: writable, text: c.name(), note: c.files(), digest: c.ID, size: c.Size})
	}
	return lines
}

// twig writes a line. However deep the branch, there is room for the sign.
func (p *page) twig(t twig) {
	room := p.width - 2 - idColumns - 2 - sizeColumns
	prefix := head(t.prefix, room-12)
	room -= columns(prefix) + 2
	p.put(faint, prefix)
	p.put(t.st, t.sign+" ")
	if t.note != "" {
		t.note = "  " + t.note
	}
	most := max(room-columns(t.note), min(room, 12))
	if t.st == plain {
		t.text = fit(t.text, most)
		p.command(t.text, columns(t.text))
	} else {
		t.text = fitName(t.text, most)
		p.put(t.st, t.text)
	}
	room -= columns(t.text)
	p.put(faint, pad(fit(t.note, room), room))
	p.columns(t.digest, t.size)
	p.end()
}
