package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A Notebook is what Jupyter reads: nbformat 4.5. Of each cell only what we use is
// kept, so that the same page gives the same file, to the byte.
// https://nbformat.readthedocs.io/en/latest/format_description.html
type Notebook struct {
	Cells         []NotebookCell `json:"cells"`
	Metadata      any            `json:"metadata"`
	Nbformat      int            `json:"nbformat"`
	NbformatMinor int            `json:"nbformat_minor"`
}

// NotebookCell is text or code.
type NotebookCell struct {
	Type     string       `json:"cell_type"` // "markdown" or "code"
	Count    int          `json:"execution_count,omitempty"`
	ID       string       `json:"id"`
	Metadata CellMetadata `json:"metadata"`
	Outputs  []Output     `json:"outputs,omitzero"`
	Source   lines        `json:"source"`
}

// CellMetadata is what the page says about a cell.
type CellMetadata struct {
	Tags []string `json:"tags,omitempty"`
}

// Output is something that a cell has shown.
type Output struct {
	Data     map[string]lines `json:"data,omitempty"` // by media type
	Metadata *struct{}        `json:"metadata,omitempty"`
	Name     string           `json:"name,omitempty"` // "stdout" or "stderr" of a stream
	Type     string           `json:"output_type"`
	Text     lines            `json:"text,omitempty"`
	Error    string           `json:"evalue,omitempty"`
}

// lines is a text that JSON keeps as a list of lines, or as one string.
type lines string

func (l lines) MarshalJSON() ([]byte, error) {
	list := strings.SplitAfter(string(l), "\n")
	if list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	return marshal(list, "")
}

func (l *lines) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*l = lines(one)
		return nil
	}
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*l = lines(strings.Join(list, ""))
	return nil
}

// marshal is json.Marshal that leaves <, > and & as they are: lessons are full of them.
func marshal(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

// kernel is the ordinary Python one, which every Jupyter has.
var kernel = json.RawMessage(`{
  "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
  "language_info": {"name": "python"}
}`)

// NewNotebook makes the notebook of a page, without outputs.
func NewNotebook(root, page string) (*Notebook, error) {
	blocks, err := ParsePage(page)
	if err != nil {
		return nil, err
	}
	n := &Notebook{Metadata: kernel, Nbformat: 4, NbformatMinor: 5}
	var text []string
	flush := func() {
		if len(text) > 0 {
			n.add(NotebookCell{Type: "markdown", Source: lines(strings.TrimSuffix(strings.Join(text, "\n"), "\n"))})
		}
		text = nil
	}
	count := 0
	for _, b := range blocks {
		switch b.Kind {
		case Text:
			text = append(text, b.Body)
		case Quote:
			_, file, err := QuoteSource(root, b.Label)
			if err != nil {
				return nil, err
			}
			text = append(text, fmt.Sprintf("`%s` in [%s](../../%s)\n\n```go\n%s```\n", b.Label, file, file, b.Body))
		case Break:
			flush()
		case Cell:
			flush()
			count++
			n.add(NotebookCell{Type: "code", Count: count, Metadata: CellMetadata{b.Tags}, Outputs: []Output{},
				Source: lines(strings.TrimSuffix(b.Body, "\n"))})
		}
	}
	flush()
	return n, nil
}

func (n *Notebook) add(c NotebookCell) {
	c.ID = fmt.Sprintf("cell-%02d", len(n.Cells)+1)
	n.Cells = append(n.Cells, c)
}

// ReadNotebook reads a notebook that we or Jupyter have written.
func ReadNotebook(file string) (*Notebook, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	n := new(Notebook)
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	return n, nil
}

// Bytes is the notebook as a file.
func (n *Notebook) Bytes() ([]byte, error) { return marshal(n, " ") }

// TakeOutputs gives each cell of code the outputs that the same cell has in from.
// Cells are the same when they come in the same order: false if there are not as many.
func (n *Notebook) TakeOutputs(from *Notebook) bool {
	isText := func(c NotebookCell) bool { return c.Type != "code" }
	theirs := slices.DeleteFunc(slices.Clone(from.Cells), isText)
	for i := range n.Cells {
		if isText(n.Cells[i]) {
			continue
		}
		if len(theirs) == 0 {
			return false
		}
		n.Cells[i].Outputs = tidy(theirs[0].Outputs)
		theirs = theirs[1:]
	}
	return len(theirs) == 0
}

// tidy joins the pieces of a stream: how many there are is a matter of timing.
func tidy(outputs []Output) []Output {
	tidied := []Output{}
	for _, o := range outputs {
		if last := len(tidied) - 1; last >= 0 && o.Type == "stream" && tidied[last].Type == "stream" && tidied[last].Name == o.Name {
			tidied[last].Text += o.Text
			continue
		}
		if o.Type == "display_data" || o.Type == "execute_result" {
			o.Type, o.Metadata = "display_data", new(struct{})
		}
		tidied = append(tidied, o)
	}
	return tidied
}
