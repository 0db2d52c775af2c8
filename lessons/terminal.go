package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// showLesson prints a lesson: its cells with the outputs that its notebook has, or,
// when run is set, with those they have here and now.
func (s *student) showLesson(ctx context.Context, l *Lesson, run, answers bool) error {
	page, err := os.ReadFile(l.Page())
	if err != nil {
		return err
	}
	blocks, err := ParsePage(string(page))
	if err != nil {
		return fmt.Errorf("%s: %w", l.Page(), err)
	}
	var cells *cellRunner
	if run {
		if cells, err = newCellRunner(ctx, s.Course); err != nil {
			return err
		}
		defer cells.close()
	}
	kept := &Notebook{}
	if n, err := ReadNotebook(l.Notebook()); err == nil {
		kept = n
	}
	for _, b := range blocks {
		switch b.Kind {
		case Text:
			s.print("%s\n", terminalText(b.Body, answers))
		case Quote:
			s.print("%s\n%s\n", dim("    "+b.Label), indent(b.Body))
		case Cell:
			code := terminalCell(b.Body)
			var outputs []Output
			outputs, kept = nextOutputs(kept)
			if code == "" {
				continue // what only Jupyter needs
			}
			s.print("%s\n", green(indent(code)))
			if run {
				if err := cells.run(ctx, code, s.out); err != nil {
					return fmt.Errorf("line %d of %s: %w", b.Line, l.Page(), err)
				}
				s.print("\n")
				continue
			}
			for _, o := range outputs {
				s.print("%s\n", dim(indent(string(o.Text)+string(o.Data["text/plain"]))))
			}
		}
	}
	return nil
}

// nextOutputs takes the first cell of code from a notebook.
func nextOutputs(n *Notebook) ([]Output, *Notebook) {
	for i, c := range n.Cells {
		if c.Type == "code" {
			return c.Outputs, &Notebook{Cells: n.Cells[i+1:]}
		}
	}
	return nil, n
}

// terminalCell is a cell as a shell script; "" if it is for Jupyter alone.
func terminalCell(code string) string {
	first, rest, _ := strings.Cut(code, "\n")
	switch {
	case strings.HasPrefix(first, "%%sh"):
		return rest
	case strings.HasPrefix(first, "%draw"):
		return strings.TrimSpace("docker draw "+strings.TrimPrefix(first, "%draw")) + "\n"
	}
	return ""
}

// terminalText renders the little of Markdown that the lessons use.
func terminalText(text string, answers bool) string {
	var out strings.Builder
	fenced := false
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			out.WriteString(inline(wrapItem(paragraph)) + "\n")
		}
		paragraph = nil
	}
	item := regexp.MustCompile(`^\s*([-*>]|\d+\.) `)
	for line := range strings.Lines(withoutLinks(details(text, answers))) {
		line = strings.TrimRight(line, "\n")
		fence, _ := splitFence(line)
		switch {
		case fence != "":
			flush()
			fenced = !fenced
		case fenced, strings.HasPrefix(line, "|"), strings.HasPrefix(line, "    ") && len(paragraph) == 0:
			flush()
			out.WriteString("    " + strings.TrimPrefix(line, "    ") + "\n")
		case strings.HasPrefix(line, "#"):
			flush()
			out.WriteString("\n" + bold(strings.TrimLeft(line, "# ")) + "\n")
		case strings.TrimSpace(line) == "":
			flush()
			out.WriteString("\n")
		case len(paragraph) > 0 && paragraph[0][0] == '>' && line[0] == '>':
			paragraph = append(paragraph, line[1:])
		case item.MatchString(line):
			flush()
			paragraph = []string{line}
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
	return regexp.MustCompile(`\n{3,}`).ReplaceAllString(out.String(), "\n\n")
}

// details hides or shows the answers: <details><summary>…</summary> answer </details>
func details(text string, answers bool) string {
	all := regexp.MustCompile(`(?s)<details>\s*<summary>.*?</summary>\s*(.*?)\s*</details>`)
	if answers {
		return all.ReplaceAllStringFunc(text, func(found string) string {
			answer := all.FindStringSubmatch(found)[1]
			return "> " + strings.ReplaceAll(answer, "\n", "\n> ")
		})
	}
	return all.ReplaceAllString(text, "*(--answers shows the answer)*")
}

// withoutLinks leaves the words of each link. Places on the web are kept.
func withoutLinks(text string) string {
	text = regexp.MustCompile(`\[([^\]]+)\]\((https?://[^)\s]+)\)`).ReplaceAllString(text, "$1 <$2>")
	return regexp.MustCompile(`!?\[([^\]]+)\]\([^)\s]+\)`).ReplaceAllString(text, "$1")
}

// inline renders what is within a paragraph.
func inline(text string) string {
	for _, r := range []struct {
		pattern string
		paint   func(...any) string
	}{
		{`\*\*([^*]+)\*\*`, bold},
		{"`([^`]+)`", yellow},
		{`\*([^*\s][^*]*)\*`, italic},
	} {
		p := regexp.MustCompile(r.pattern)
		text = p.ReplaceAllStringFunc(text, func(found string) string { return r.paint(p.FindStringSubmatch(found)[1]) })
	}
	return text
}

// wrapItem wraps a paragraph; the further lines of a list item stand under its text.
func wrapItem(paragraph []string) string {
	bullet := regexp.MustCompile(`^\s*([-*>]|\d+\.) `).FindString(paragraph[0])
	paragraph[0] = paragraph[0][len(bullet):]
	text := wrap(strings.Join(paragraph, " "), 80-len(bullet), strings.Repeat(" ", len(bullet)))
	return bullet + text[len(bullet):]
}

// wrap breaks text into lines of at most width characters and puts prefix before each.
func wrap(text string, width int, prefix string) string {
	var out strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case column == 0:
			out.WriteString(prefix)
		case column+1+n > width:
			out.WriteString("\n" + prefix)
			column = 0
		default:
			out.WriteString(" ")
			column++
		}
		out.WriteString(word)
		column += n
	}
	return out.String()
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}
