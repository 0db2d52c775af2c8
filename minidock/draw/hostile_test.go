package draw

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// hostileNames are what somebody might call an image, a file or a command.
var hostileNames = []string{
	"", ".", "..", "/", "///", "a//b", strings.Repeat("a/", 500), strings.Repeat("x", 7000),
	"<script>alert(1)</script>", "</title><script>x</script>", "]]>", "<![CDATA[", "<!--", "&amp;", "&", `"`, "'", "a\" onload=\"alert(1)",
	"</text></svg><foreignObject>", "url(https://example.com)", "javascript:alert(1)",
	"\x1b[31mred\x1b[0m", "\x1b]0;title\a", "\x9b31m", "\x00", "\r\n", "a\nb", "\t", "\u2028\u2029", "\u0085",
	"\u202etxt.exe", "\u2066\u2069", "\ufffe\uffff", "\xff\xfe", "\xed\xa0\x80", "\u200b\u200b", "\ufeff",
	"日本語", "🐳🐳🐳", "👩‍👩‍👧", "e\u0301", strings.Repeat("\u0301", 500), "\u0301start", "﷽﷽﷽﷽", "مرحبا", "𒐫𒐫",
	"sha256:", "sha256:" + strings.Repeat("f", 64), "/bin/sh -c ", "|", "|1", "RUN ", "/bin/sh -c #(nop) ", ":", "a:", ":b", "a/b:c/d",
}

// hostile draws every kind of picture with these strings and numbers in all places.
func hostile(text, other string, size int64, n int) []picture {
	steps := []Step{
		{CreatedBy: text, DiffID: other, Size: size}, {CreatedBy: other},
		{CreatedBy: "/bin/sh -c " + text, DiffID: "sha256:" + text, Size: -size}, {CreatedBy: text, DiffID: text, Size: 1},
	}
	i := Image{Names: []string{text, other}, ID: other, Steps: steps}
	for k := range n {
		i.Containers = append(i.Containers, Container{Name: text, ID: other, Size: size, Files: n - k, Removed: k})
	}
	tree := Tree{Name: text, Depth: n - 2, Rows: n - 3}
	for _, s := range steps {
		tree.Layers = append(tree.Layers, Layer{Step: s, Writable: s.DiffID == "", Changes: []Change{
			{Kind: Added, Name: text, Size: size}, {Kind: Removed, Name: other, Hidden: size, Dir: true},
			{Kind: Changed, Name: text + "/" + other, Hidden: 1, Opaque: true}, {Kind: Kind(n), Name: other + "/" + text, Size: -1},
		}})
	}
	return []picture{
		Stack{i}, Stack{Image{Steps: steps[:n%5]}}, tree,
		Ancestry{[]Image{i, {ID: text, Steps: steps[:n%5]}, {Names: []string{other}, Steps: slices.Concat(steps[2:], steps)}, {}}},
	}
}

func TestHostile(t *testing.T) {
	for n, text := range hostileNames {
		other := hostileNames[(n*7+3)%len(hostileNames)]
		for _, p := range hostile(text, other, int64(n)<<57, n%9) {
			checkPicture(t, p, 20+n*5)
		}
	}
}

func TestPictures(t *testing.T) {
	for name, p := range pictures() {
		t.Run(name, func(t *testing.T) {
			for _, width := range []int{-1, 0, 1, 40, 79, 120, 1000} {
				checkPicture(t, p, width)
			}
			// There is nothing to replace in these.
			if strings.ContainsRune(p.SVG()+p.Text(Options{}), unicode.ReplacementChar) {
				t.Error("a character was replaced")
			}
		})
	}
}

// checkPicture checks what must be true whatever is drawn.
func checkPicture(t *testing.T, p picture, width int) {
	t.Helper()
	checkText(t, p.Text(Options{Width: width}), Options{Width: width}.width())
	checkSVG(t, p.SVG())
}

// checkText: no line is too long, and nothing in it is an order to the terminal.
func checkText(t *testing.T, text string, width int) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if n := columns(line); n > width {
			t.Errorf("a line of %d columns on a terminal of %d: %.200q", n, width, line)
		}
		for _, r := range line {
			if unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
				t.Errorf("%U in %.200q", r, line)
			}
		}
	}
}

// An area is a rectangle of an SVG.
type area struct{ x, y, w, h int }

func (a area) overlaps(b area) bool {
	return a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h
}

func (a area) in(b area) bool {
	return a.x >= b.x && a.y >= b.y && a.x+a.w <= b.x+b.w && a.y+a.h <= b.y+b.h
}

// checkSVG: it is XML, made of our own elements and attributes only; nothing is
// outside of the page, no box overlaps another, and no text another.
func checkSVG(t *testing.T, svg string) {
	t.Helper()
	allowed := map[string]string{
		"svg": " xmlns class role viewBox width height style x y ", "title": "", "desc": "", "style": "", "g": "",
		"rect": " class x y width height rx ", "path": " class d ", "text": " class x y text-anchor ", "tspan": " class ",
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	var page area
	var boxes, texts []area
	inStyle := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%.2000s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			at := attributes(t, token, allowed)
			inStyle = token.Name.Local == "style"
			switch here := (area{number(at["x"]), number(at["y"]), number(at["width"]), number(at["height"])}); {
			case token.Name.Local == "svg" && at["viewBox"] != "":
				page = here
			case token.Name.Local == "svg":
				// The line itself; the rest is room for letters that reach far.
				texts = append(texts, area{here.x, here.y + 5, here.w, 11})
			case token.Name.Local == "rect" && at["class"] != "page":
				boxes = append(boxes, here)
			}
		case xml.EndElement:
			inStyle = false
		case xml.CharData:
			if inStyle && string(token) != look {
				t.Errorf("a style sheet that is not ours: %.200q", token)
			}
		case xml.Comment, xml.Directive, xml.ProcInst:
			t.Errorf("not ours: %.200q", token)
		}
	}
	for _, list := range [][]area{boxes, texts} {
		checkAreas(t, page, list)
	}
}

func attributes(t *testing.T, e xml.StartElement, allowed map[string]string) map[string]string {
	t.Helper()
	names, ok := allowed[e.Name.Local]
	if !ok {
		t.Fatalf("element %.100q", e.Name.Local)
	}
	at := map[string]string{}
	for _, a := range e.Attr {
		if !strings.Contains(names, " "+a.Name.Local+" ") {
			t.Fatalf("attribute %s of %s", a.Name.Local, e.Name.Local)
		}
		at[a.Name.Local] = a.Value
	}
	return at
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // of the page alone it is no whole number
	return n
}

func checkAreas(t *testing.T, page area, list []area) {
	t.Helper()
	for n, a := range list {
		if a.w <= 0 || a.h <= 0 || !a.in(page) {
			t.Errorf("%v is outside of the page %v", a, page)
		}
		for _, b := range list[:n] {
			if a.overlaps(b) {
				t.Errorf("%v overlaps %v", a, b)
			}
		}
	}
}

func FuzzDraw(f *testing.F) {
	for n, text := range hostileNames {
		if len(text) < 1000 {
			f.Add(text, hostileNames[len(hostileNames)-1-n], int64(n)<<56, byte(n), 3*n)
		}
	}
	f.Fuzz(func(t *testing.T, text, other string, size int64, n byte, width int) {
		for _, p := range hostile(text, other, size, int(n%40)) {
			checkPicture(t, p, width)
		}
	})
}
