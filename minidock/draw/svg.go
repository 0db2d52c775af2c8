package draw

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Lengths in an SVG, in units of its viewBox, which are pixels when it is not scaled.
const (
	margin   = 24
	top      = 88 // of the picture, below name and summary
	plainest = 760
	sizeWide = 62 // of a size, at the end of a line
	idWide   = 86 // of a digest
)

// The widths of a column in a text of 12 and of 11 units: monospaced fonts are
// between 0.5 and 0.61 of their height. Where one is wider, or a letter is not in the
// font, the text is clipped.
const (
	column      = 7.3
	smallColumn = 6.7
)

// fitting is the number of columns that have room.
func fitting(width int, column float64) int { return max(0, int(float64(width)/column)) }

// look is the style sheet. All of it is about .minidock, since a style sheet of an
// SVG in a page is one of the page.
const look = `
.minidock text{font:12px ui-monospace,monospace;fill:#1b2733}
.minidock .name{font-size:17px;font-weight:bold}
.minidock .strong{font-weight:bold}
.minidock .word{font-size:12px;font-family:system-ui,sans-serif;fill:#4a5764}
.minidock .faint{font-size:11px;fill:#4a5764}
.minidock .page{fill:#fff;stroke:#d3dbe3}
.minidock .layer{fill:#e3eff9;stroke:#3b7cab}
.minidock .shared{fill:#bfdbf1;stroke:#1f5f90}
.minidock .again{fill:none;stroke:#3b7cab;stroke-dasharray:2 3}
.minidock .image{fill:#1d4e77;stroke:#1d4e77}
.minidock .on{fill:#fff}
.minidock .container{fill:#fff5e0;stroke:#b06a00;stroke-dasharray:5 3}
.minidock .line{stroke:#9db0c1;fill:none}
.minidock .ground{stroke:#55626f;stroke-width:2}
.minidock .A{fill:#0b6487}
.minidock .C{fill:#9a5400}
.minidock .D{fill:#98296a}
@media (prefers-color-scheme:dark){
.minidock text{fill:#e7ecf1}
.minidock .word,.minidock .faint{fill:#b7c2cd}
.minidock .page{fill:#12171d;stroke:#2d3945}
.minidock .layer{fill:#1b3145;stroke:#6fb1df}
.minidock .shared{fill:#27517a;stroke:#93caf2}
.minidock .again{fill:none;stroke:#6fb1df}
.minidock .image{fill:#a8d3f4;stroke:#a8d3f4}
.minidock .on{fill:#0d1b28}
.minidock .container{fill:#332813;stroke:#e8ab48}
.minidock .line{stroke:#51626f}
.minidock .ground{stroke:#a3b0bd}
.minidock .A{fill:#66c3e8}
.minidock .C{fill:#f0b357}
.minidock .D{fill:#f09ac8}
}
`

// A sheet is an SVG that is being drawn. Everything that comes from outside goes
// through escape.
type sheet struct{ b strings.Builder }

// escape makes a text part of an element. What XML cannot hold becomes U+FFFD.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(visible(s))) // a Builder takes everything
	return b.String()
}

// group begins a group, whose title shows under the mouse, in lines; close ends it.
func (s *sheet) group(title ...string) {
	s.b.WriteString("<g><title>")
	for n, line := range title {
		if n > 0 {
			s.b.WriteByte('\n')
		}
		s.b.WriteString(escape(line))
	}
	s.b.WriteString("</title>\n")
}

func (s *sheet) close() { s.b.WriteString("</g>\n") }

func (s *sheet) rect(class string, x, y, w, h int) {
	fmt.Fprintf(&s.b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="4"/>`+"\n", class, x, y, w, h)
}

func (s *sheet) line(class string, x1, y1, x2, y2 int) {
	fmt.Fprintf(&s.b, `<path class="%s" d="M%d %dL%d %d"/>`+"\n", class, x1, y1, x2, y2)
}

// text writes a line whose baseline is at y, between x and x+w: an svg in an svg
// clips what is outside.
func (s *sheet) text(class string, x, y, w int, text string) {
	s.clipped(class, x, y, w, "start", text)
}

// right is text at the right end.
func (s *sheet) right(class string, x, y, w int, text string) { s.clipped(class, x, y, w, "end", text) }

func (s *sheet) clipped(class string, x, y, w int, anchor, text string) {
	if w <= 0 || text == "" {
		return
	}
	const above, height = 14, 19
	at := 0
	if anchor == "end" {
		at = w
	}
	fmt.Fprintf(&s.b, `<svg x="%d" y="%d" width="%d" height="%d"><text class="%s" x="%d" y="%d" text-anchor="%s">%s</text></svg>`+"\n",
		x, y-above, w, height, class, at, above, anchor, escape(text))
}

// command writes a step's text, its instruction in bold.
func (s *sheet) command(x, y, w int, text string) {
	word, rest := splitInstruction(fit(text, fitting(w, column)))
	if word == "" {
		s.text("", x, y, w, rest)
		return
	}
	const above, height = 14, 19
	fmt.Fprintf(&s.b, `<svg x="%d" y="%d" width="%d" height="%d"><text x="0" y="%d"><tspan class="strong">%s</tspan>%s</text></svg>`+"\n",
		x, y-above, w, height, above, escape(word), escape(rest))
}

// heading writes what every picture begins with.
func (s *sheet) heading(width int, name, summary string) {
	s.text("name", margin, 42, width-2*margin, fitName(name, fitting(width-2*margin, 10.4)))
	s.text("word", margin, 64, width-2*margin, summary)
}

// document returns the whole file. The title is the picture's name, and the
// description what it shows, for whoever cannot see it.
func (s *sheet) document(width, height int, title, description string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" class="minidock" role="img" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" style="max-width:100%%;height:auto">
<title>%s</title>
<desc>%s</desc>
<style>%s</style>
<rect class="page" x="0.5" y="0.5" width="%d" height="%d" rx="10"/>
%s</svg>
`, width, height, escape(title), escape(description), look, width-1, height-1, s.b.String())
}
