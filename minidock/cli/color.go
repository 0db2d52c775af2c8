package cli

import (
	"io"
	"os"

	"github.com/fatih/color"
	"golang.org/x/term"

	"minidock.dev/minidock/explain"
)

// colors are what is printed in colour, each a function that paints a text. On
// anything but a terminal they leave every text as it is, so that a script
// reads the same bytes as ever.
type colors struct {
	step, good, note, bad, faint func(...any) string
}

// colorsFor decides for one stream: with "2>log", standard output may be a
// terminal and standard error none. NO_COLOR is https://no-color.org.
func colorsFor(w io.Writer) colors { return palette(colorful(w)) }

func colorful(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

func palette(on bool) colors {
	paint := func(attributes ...color.Attribute) func(...any) string {
		c := color.New(attributes...)
		// The package has looked at standard output alone.
		if on {
			c.EnableColor()
		} else {
			c.DisableColor()
		}
		return c.Sprint
	}
	return colors{
		step: paint(color.Bold), good: paint(color.FgGreen),
		note: paint(color.FgYellow), bad: paint(color.FgRed, color.Bold), faint: paint(color.Faint),
	}
}

// explainTo prints what --explain tells. The steps stand out from the kernel
// calls below them.
func explainTo(w io.Writer) func(explain.Event) {
	text, step := explain.Text(w), colorsFor(w).step
	return func(e explain.Event) {
		if e.Kind == explain.KindStep {
			e.Text = step(e.Text)
		}
		text(e)
	}
}
