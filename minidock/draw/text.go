package draw

import "strings"

// Options say how a picture is written as text. The zero value is 80 columns
// without colour.
type Options struct {
	// Width is the number of columns of the terminal; 0 is 80. Below 40 and above 200
	// the nearest of the two is taken.
	Width int
	// Color says that the terminal understands colours (ECMA-48, SGR).
	Color bool
}

func (o Options) width() int {
	if o.Width == 0 {
		return 80
	}
	return min(max(o.Width, 40), 200)
}

// A style is a parameter of SGR. The colours are those of the terminal's own
// palette, and nothing is told by a colour alone.
type style string

const (
	plain    style = ""
	strong   style = "1"
	faint    style = "2"
	labelled style = "1;34" // an image
	writable style = "33"   // a container
)

// A page is the lines of a picture.
type page struct {
	color bool
	width int
	b     strings.Builder
}

func newPage(opt Options) *page { return &page{color: opt.Color, width: opt.width()} }

// put adds a text to the line.
func (p *page) put(st style, text string) {
	if !p.color || st == plain || text == "" {
		p.b.WriteString(text)
		return
	}
	p.b.WriteString("\x1b[" + string(st) + "m" + text + "\x1b[0m")
}

func (p *page) end() { p.b.WriteByte('\n') }

// line adds a line of one style, cut to the page.
func (p *page) line(st style, text string) {
	p.put(st, fit(text, p.width))
	p.end()
}

// flow writes parts of a text on as many lines as it takes.
func (p *page) flow(between string, parts ...string) {
	line := ""
	for _, part := range parts {
		if line != "" && columns(line+between+part) > p.width {
			p.line(faint, line)
			line = ""
		}
		if line != "" {
			line += between
		}
		line += part
	}
	p.line(faint, line)
}

// heading is the first lines of every picture.
func (p *page) heading(name, summary string) {
	p.put(strong, fitName(name, p.width))
	p.end()
	p.line(faint, summary)
	p.end()
}

// command adds a step's text, cut and filled to n columns, with the instruction's
// own word standing out.
func (p *page) command(text string, n int) {
	word, rest := splitInstruction(pad(fit(text, n), n))
	p.put(strong, word)
	p.put(plain, rest)
}

// splitInstruction takes the instruction's own word off, if it begins with one.
func splitInstruction(text string) (word, rest string) {
	rest = strings.TrimLeft(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if !strings.HasPrefix(rest, " ") {
		return "", text
	}
	return text[:len(text)-len(rest)], rest
}

// String is the page without blanks at the ends of lines.
func (p *page) String() string {
	var b strings.Builder
	for line := range strings.Lines(p.b.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
