package draw

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares every picture with the one that somebody has looked at.
func TestGolden(t *testing.T) {
	for name, p := range pictures() {
		golden(t, name+".txt", p.Text(Options{}))
		golden(t, name+".svg", p.SVG())
	}
	golden(t, "color.txt", Ancestry{family()}.Text(Options{Color: true}))
	golden(t, "narrow.txt", Stack{fiveContainers()}.Text(Options{Width: 40})+files().Text(Options{Width: 40}))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: - want + got (look at it, then -update)\n%s", name, diff)
	}
}

// The order in which images come does not matter.
func TestOrder(t *testing.T) {
	images := family()
	want := Ancestry{images}.Text(Options{})
	for range images {
		images = append(images[1:], images[0])
		if diff := cmp.Diff(want, Ancestry{images}.Text(Options{})); diff != "" {
			t.Fatal(diff)
		}
	}
}

// What one image does not say of a layer another one may.
func TestUnknownHistory(t *testing.T) {
	silent := Image{Names: []string{"a:removed"}, Steps: []Step{{DiffID: base()[0].DiffID}}}
	text := Ancestry{[]Image{silent, imageOf("tiny:latest")}}.Text(Options{})
	if !strings.Contains(text, "■ minidock toolbox  in 2 images") {
		t.Errorf("the shared layer has no history:\n%s", text)
	}
}

func TestInstruction(t *testing.T) {
	hash := strings.Repeat("0123abcd", 8)
	for _, test := range []struct{ createdBy, want string }{
		{`/bin/sh -c #(nop)  CMD ["sh"]`, `CMD ["sh"]`},
		{"/bin/sh -c #(nop) COPY dir:" + hash + " in /app ", "COPY dir:0123abcd0123 in /app"},
		{"/bin/sh -c make", "RUN make"},
		{"|2 A=1 B=/bin/x /bin/sh -c make", "RUN make"},
		{"RUN /bin/sh -c make # buildkit", "RUN make"},
		{"COPY /bin/sh -c /x", "COPY /bin/sh -c /x"},
		{"COPY a b # buildkit", "COPY a b"},
		{"RUN a \\\n\t  b", `RUN a \ b`},
		{"\x1b[31mred\u202e", "\ufffd[31mred\ufffd"},
		{"minidock toolbox", "minidock toolbox"},
		{"", "(no history)"},
	} {
		if got := (Step{CreatedBy: test.createdBy}).instruction(); got != test.want {
			t.Errorf("%q: %q, want %q", test.createdBy, got, test.want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, test := range []struct {
		text           string
		n              int
		cut, cutMiddle string
	}{
		{"name", 4, "name", "name"},
		{"longer name", 7, "longer…", "lon…ame"},
		{"日本語", 6, "日本語", "日本語"},
		{"日本語日本語", 7, "日本語…", "日…語"},
		{"日本語日本語", 6, "日本…", "日…語"},
		{"e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301", 5, "e\u0301e\u0301e\u0301e\u0301…", "e\u0301e\u0301…e\u0301e\u0301"},
		{"long", 1, "…", "…"},
		{"long", 0, "", ""},
	} {
		if got := fit(test.text, test.n); got != test.cut {
			t.Errorf("fit(%q, %d) = %q, want %q", test.text, test.n, got, test.cut)
		}
		if got := fitName(test.text, test.n); got != test.cutMiddle {
			t.Errorf("fitName(%q, %d) = %q, want %q", test.text, test.n, got, test.cutMiddle)
		}
	}
}

// A layer is as high as its part of the largest, within bounds.
func TestScaled(t *testing.T) {
	for _, test := range []struct {
		size, largest int64
		want          int
	}{{0, 100, 10}, {5, 100, 10}, {25, 100, 25}, {50, 100, 50}, {100, 100, 100}, {200, 100, 100}, {-1, 100, 10}, {0, 0, 10}, {1 << 62, 1<<63 - 1, 50}} {
		if got := scaled(test.size, test.largest, 10, 100); got != test.want {
			t.Errorf("scaled(%d, %d) = %d, want %d", test.size, test.largest, got, test.want)
		}
	}
}

func TestWasted(t *testing.T) {
	tree := files()
	if got, want := tree.Wasted(), int64(10_000_000+1200+800); got != want {
		t.Errorf("wasted %d, want %d", got, want)
	}
	// What a container hides is no fault of the image.
	tree.Layers[4].Changes[0].Hidden = 5000
	if got, want := tree.Wasted(), int64(10_000_000+1200+800); got != want {
		t.Errorf("with a container: wasted %d, want %d", got, want)
	}
}

// Rows are at most as many as asked for, and all changes are counted.
func TestRows(t *testing.T) {
	l := Layer{Changes: many()}
	for _, test := range []struct{ depth, rows, want, more int }{
		{0, -1, 73, 0}, {0, 73, 73, 0}, {0, 72, 13, 0}, {0, 0, 13, 0}, {1, 0, 1, 0}, {2, -1, 13, 0}, {0, 5, 1, 0},
	} {
		rows, more := Tree{Depth: test.depth, Rows: test.rows}.rows(l)
		if len(rows) != test.want || more != test.more {
			t.Errorf("depth %d, rows %d: %d rows and %d more, want %d and %d", test.depth, test.rows, len(rows), more, test.want, test.more)
		}
	}
	l.Changes = nil
	for n := range 30 {
		l.Changes = append(l.Changes, Change{Kind: Added, Name: fmt.Sprintf("f%02d", n)})
	}
	if rows, more := (Tree{}).rows(l); len(rows) != 20 || more != 10 {
		t.Errorf("30 files: %d rows and %d more, want 20 and 10", len(rows), more)
	}
}

// What is cut in an SVG is in full in a title.
func TestTitles(t *testing.T) {
	for _, svg := range []string{Stack{longNames()}.SVG(), Ancestry{[]Image{longNames()}}.SVG()} {
		for _, s := range longNames().layers() {
			if !strings.Contains(svg, escape(oneLine(s.CreatedBy))) || !strings.Contains(svg, s.DiffID) {
				t.Errorf("the SVG does not hold the whole of %.40q", s.CreatedBy)
			}
		}
		for _, c := range longNames().Containers {
			if !strings.Contains(svg, c.Name) {
				t.Errorf("the SVG does not hold the whole of %.40q", c.Name)
			}
		}
		if !strings.Contains(svg, longNames().Names[0]) {
			t.Error("the SVG does not hold the image's whole name")
		}
	}
}

// Without the orders for colours the text is the same.
func TestColor(t *testing.T) {
	orders := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for name, p := range pictures() {
		colored := p.Text(Options{Color: true})
		var bare []string
		for line := range strings.SplitSeq(orders.ReplaceAllString(colored, ""), "\n") {
			bare = append(bare, strings.TrimRight(line, " "))
		}
		if diff := cmp.Diff(p.Text(Options{}), strings.Join(bare, "\n")); diff != "" {
			t.Errorf("%s: - plain + coloured\n%s", name, diff)
		}
	}
}
