package main

import (
	"fmt"
	"regexp"
	"strings"
)

// A lesson is a page of Markdown in the form that MyST and jupytext share:
//
//	```{code-cell}
//	:tags: [ids-vary]
//	%%sh
//	docker images
//	```
//
// is a cell that runs; "+++" on a line of its own ends a cell of text; and
//
//	```{quote} digest.Parse
//	```
//
// is filled with that function's source, so that a lesson never shows old code.

// Kind is what a block of a page is.
type Kind int

const (
	Text  Kind = iota // Markdown as it stands
	Cell              // code to run
	Quote             // source of the engine; Label is its symbol
	Break             // between two cells of text
)

// A Block is a piece of a page.
type Block struct {
	Kind  Kind
	Body  string   // ends with a line end, unless empty
	Label string   // of a Quote: "digest.Parse"
	Tags  []string // of a Cell
	Line  int      // in the page, the first is 1
}

// ParsePage cuts a page into its blocks, without its front matter.
func ParsePage(text string) ([]Block, error) {
	p := pageParser{lines: strings.SplitAfter(text, "\n")}
	p.skipFrontMatter()
	for p.next < len(p.lines) {
		if err := p.block(); err != nil {
			return nil, err
		}
	}
	p.endText()
	return p.blocks, nil
}

type pageParser struct {
	lines  []string
	next   int // index of the line to be read
	text   []string
	start  int // line of text[0]
	blocks []Block
}

func (p *pageParser) skipFrontMatter() {
	if len(p.lines) == 0 || p.lines[0] != "---\n" {
		return
	}
	for i, line := range p.lines[1:] {
		if line == "---\n" {
			p.next = i + 2
			return
		}
	}
}

// block reads one line, or a fenced block as a whole.
func (p *pageParser) block() error {
	line := p.lines[p.next]
	fence, info := splitFence(line)
	switch {
	case strings.TrimRight(line, "\n") == "+++":
		p.endText()
		p.blocks = append(p.blocks, Block{Kind: Break, Line: p.next + 1})
		p.next++
		return nil
	case fence == "":
		p.keep(1)
		return nil
	}
	end := p.next + 1
	for end < len(p.lines) && strings.TrimRight(p.lines[end], " \n") != fence {
		end++
	}
	if end == len(p.lines) {
		return fmt.Errorf("line %d: the block %s%s has no end", p.next+1, fence, info)
	}
	name, label, _ := strings.Cut(info, " ")
	switch name {
	case "{code-cell}":
		p.fenced(Block{Kind: Cell}, end)
	case "{quote}":
		p.fenced(Block{Kind: Quote, Label: label}, end)
	default:
		p.keep(end - p.next + 1)
	}
	return nil
}

// keep adds lines to the text.
func (p *pageParser) keep(n int) {
	if len(p.text) == 0 {
		p.start = p.next + 1
	}
	p.text = append(p.text, p.lines[p.next:p.next+n]...)
	p.next += n
}

// fenced ends the text and adds the block between here and end.
func (p *pageParser) fenced(b Block, end int) {
	p.endText()
	b.Line = p.next + 1
	body := p.lines[p.next+1 : end]
	for b.Kind == Cell && len(body) > 0 && strings.HasPrefix(body[0], ":") {
		if list, ok := strings.CutPrefix(strings.TrimSpace(body[0]), ":tags:"); ok {
			b.Tags = regexp.MustCompile(`[\w-]+`).FindAllString(list, -1)
		}
		body = body[1:]
	}
	b.Body = strings.Join(body, "")
	p.blocks = append(p.blocks, b)
	p.next = end + 1
}

func (p *pageParser) endText() {
	if body := strings.Join(p.text, ""); strings.TrimSpace(body) != "" {
		p.blocks = append(p.blocks, Block{Kind: Text, Body: strings.Trim(body, "\n") + "\n", Line: p.start})
	}
	p.text = nil
}

// splitFence takes the line that opens a fenced block apart: "```" and what follows.
func splitFence(line string) (fence, info string) {
	rest := strings.TrimLeft(line, "`")
	if n := len(line) - len(rest); n >= 3 && !strings.Contains(rest, "`") {
		return line[:n], strings.TrimSpace(rest)
	}
	return "", ""
}
