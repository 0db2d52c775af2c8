package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePage(t *testing.T) {
	page := "---\nkernelspec: python3\n---\n\n# Title\n\ntext\n\n```sh\n+++\n```\n" +
		"```{code-cell} ipython3\n:tags: [ids-vary, hide]\n%%sh\ndocker ps\n```\nafter\n+++\nlast\n\n```{quote} digest.Parse\nold\n```\n"
	want := []Block{
		{Kind: Text, Body: "# Title\n\ntext\n\n```sh\n+++\n```\n", Line: 4},
		{Kind: Cell, Body: "%%sh\ndocker ps\n", Tags: []string{"ids-vary", "hide"}, Line: 12},
		{Kind: Text, Body: "after\n", Line: 17},
		{Kind: Break, Line: 18},
		{Kind: Text, Body: "last\n", Line: 19},
		{Kind: Quote, Body: "old\n", Label: "digest.Parse", Line: 21},
	}
	got, err := ParsePage(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := ParsePage("text\n```{code-cell}\nx\n"); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a cell without end: %v", err)
	}
}

func TestRefreshQuotes(t *testing.T) {
	page := "before\n```{quote} digest.Digest.String\nold\nlines\n```\nbetween\n```{quote} digest.ErrInvalid\n```\nafter\n"
	want := "before\n```{quote} digest.Digest.String\nfunc (d Digest) String() string { return string(d) }\n```\nbetween\n" +
		"```{quote} digest.ErrInvalid\nvar ErrInvalid = errors.New(\"invalid digest\")\n```\nafter\n"
	got, err := RefreshQuotes("..", page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := RefreshQuotes("..", "\n```{quote} digest.Nobody\n```\n"); err == nil || !strings.Contains(err.Error(), "line 2: quote digest.Nobody") {
		t.Errorf("a symbol that is not there: %v", err)
	}
}

func TestTerminalText(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	page := "## Head\n\nSome `code`, a [link](x.md) and **strong\nwords**.\n\n> **Predict.** One\n> two\n\n" +
		"**1.** Q?\n\n<details>\n<summary>Show</summary>\n\nse\ncret\n\n</details>\n"
	hidden, shown := terminalText(page, false), terminalText(page, true)
	want := "\nHead\n\nSome code, a link and strong words.\n\n> Predict. One two\n\n1. Q?\n\n(--answers shows the answer)\n"
	if diff := cmp.Diff(want, hidden); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(shown, "> se cret\n") {
		t.Errorf("with answers: %s", shown)
	}
}
