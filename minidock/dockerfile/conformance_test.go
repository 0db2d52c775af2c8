package dockerfile

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The tests in this file read tables taken from the test suites of other
// builders, if their folder is there: it is named by MINIDOCK_CONFORMANCE, or
// lies beside the checkout as shared/conformance.

// tables is the folder.
func tables(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MINIDOCK_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the conformance tables are missing (set MINIDOCK_CONFORMANCE to their folder): %v", err)
	}
	return dir
}

// table reads a file of the folder.
func table(t *testing.T, name ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(tables(t), filepath.Join(name...)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func entries(t *testing.T, name ...string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(tables(t), filepath.Join(name...)))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// readAll reads instructions without checking them, as some of the files are
// right for a parser and wrong for a builder.
func readAll(t *testing.T, text string) []Instruction {
	t.Helper()
	src := newSource(text)
	if err := src.directives(); err != nil {
		t.Fatal(err)
	}
	var all []Instruction
	for {
		in, err := src.next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatalf("line %d: %v", in.Line, err)
		}
		all = append(all, in)
	}
}

// tree prints an instruction in the notation of the result files.
func tree(in Instruction) string {
	parts := []string{strings.ToLower(in.Name)}
	if len(in.Flags) > 0 {
		var flags []string
		for _, f := range in.Flags {
			flag := "--" + f.Name
			if f.HasValue {
				flag += "=" + f.Value
			}
			flags = append(flags, flag)
		}
		parts = append(parts, fmt.Sprintf("%q", flags))
	}
	switch {
	case in.Name == "ONBUILD":
		trigger, _ := ParseInstruction(in.Args[0], '\\')
		parts = append(parts, tree(trigger))
	case in.Name == "ENV" || in.Name == "LABEL":
		for _, p := range in.Pairs {
			separator := "="
			if !strings.Contains(in.Args[0], "=") {
				separator = ""
			}
			parts = append(parts, strconv.Quote(p.Key), strconv.Quote(p.Value), strconv.Quote(separator))
		}
	default:
		for _, a := range in.Args {
			parts = append(parts, strconv.Quote(a))
		}
	}
	return "(" + strings.Join(parts, " ") + ")"
}

func TestConformanceTrees(t *testing.T) {
	for _, name := range entries(t, "parser", "testfiles") {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, in := range readAll(t, string(table(t, "parser", "testfiles", name, "Dockerfile"))) {
				got.WriteString(tree(in) + "\n")
			}
			want := string(table(t, "parser", "testfiles", name, "result"))
			if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got.String())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConformanceVisible(t *testing.T) {
	for _, name := range decode[[]string](t, table(t, "parser", "visible.json")) {
		_, err := Parse(strings.NewReader(string(table(t, "parser", "testfiles", name, "Dockerfile"))))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConformanceNegative(t *testing.T) {
	for _, name := range entries(t, "parser", "negative") {
		_, err := Parse(strings.NewReader(string(table(t, "parser", "negative", name, "Dockerfile"))))
		if err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestConformanceLines(t *testing.T) {
	want := decode[struct{ Instructions [][2]int }](t, table(t, "parser", "lines", "expected.json"))
	var got [][2]int
	for _, in := range readAll(t, string(table(t, "parser", "lines", "Dockerfile"))) {
		got = append(got, [2]int{in.Line, in.EndLine})
	}
	if diff := cmp.Diff(want.Instructions, got); diff != "" {
		t.Error(diff)
	}
}

func TestConformanceHeredocs(t *testing.T) {
	src := newSource(string(table(t, "parser", "heredoc", "Dockerfile")))
	for i, want := range decode[[][]Heredoc](t, table(t, "parser", "heredoc", "expected.json")) {
		in, err := src.next()
		if in.Name == "INVALID" { // what USER <<INVALID leaves behind is not in the table
			in, err = src.next()
		}
		if err != nil {
			t.Fatalf("line %d: %v", in.Line, err)
		}
		if diff := cmp.Diff(want, in.Heredocs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("instruction %d, line %d: %s", i, in.Line, diff)
		}
	}
}

// rows returns a table of tables.json.
func rows[T any](t *testing.T, test, name string) T {
	t.Helper()
	type entry struct {
		Test, Name string
		Rows       json.RawMessage
	}
	for _, e := range decode[[]entry](t, table(t, "parser", "tables.json")) {
		if e.Test == test && e.Name == name {
			return decode[T](t, e.Rows)
		}
	}
	t.Fatalf("no table %s/%s", test, name)
	panic("unreachable")
}

func TestConformanceJSON(t *testing.T) {
	for _, text := range rows[[]string](t, "", "invalidJSONArraysOfStrings") {
		if args, _, err := parseJSON(text); err == nil {
			t.Errorf("%s gives %q", text, args)
		}
	}
	for text, want := range rows[map[string][]string](t, "", "validJSONArraysOfStrings") {
		args, ok, err := parseJSON(strings.TrimSpace(text))
		if err != nil || !ok || !slices.Equal(args, want) {
			t.Errorf("%s gives %q, %v, %v", text, args, ok, err)
		}
	}
}

func TestConformanceHeredocWords(t *testing.T) {
	for _, word := range rows[[]string](t, "TestParseHeredocHelpers", "validHeredocs") {
		if h, ok := parseHeredoc(word); !ok || h.Name != "EOF" {
			t.Errorf("%s gives %q, %v", word, h.Name, ok)
		}
	}
	for _, name := range []string{"invalidHeredocs", "notHeredocs"} {
		for _, word := range rows[[]string](t, "TestParseHeredocHelpers", name) {
			if h, ok := parseHeredoc(word); ok {
				t.Errorf("%s gives %q", word, h.Name)
			}
		}
	}
	type row struct {
		Line         string
		HeredocNames []string
	}
	for _, r := range rows[[]row](t, "TestHeredocsFromLine", "srcs") {
		var got []string
		for _, h := range openedBy(r.Line) {
			got = append(got, h.Name)
		}
		if !slices.Equal(got, r.HeredocNames) {
			t.Errorf("%s opens %q, want %q", r.Line, got, r.HeredocNames)
		}
	}
}

func TestConformanceWords(t *testing.T) {
	type row struct{ Input, Expect []string }
	for _, r := range rows[[]row](t, "TestParseWords", "tests") {
		if got := quotedWords(r.Input[0], '\\'); !slices.Equal(got, r.Expect) {
			t.Errorf("%q gives %q, want %q", r.Input[0], got, r.Expect)
		}
	}
}

func TestConformanceArgumentCounts(t *testing.T) {
	for _, c := range []struct{ test, suffix, want string }{
		{"TestCommandsExactlyOneArgument", "", "requires exactly one argument"},
		{"TestCommandsAtLeastOneArgument", "", "requires at least one argument"},
		{"TestCommandsNoDestinationArgument", " arg1", "requires at least two arguments, but only one was provided. Destination could not be determined"},
		{"TestCommandsBlankNames", " =arg2", "names can not be blank"},
	} {
		for _, name := range rows[[]string](t, c.test, "commands") {
			_, err := ParseInstruction(name+c.suffix, '\\')
			if err == nil || !strings.Contains(err.Error(), name+" "+c.want) {
				t.Errorf("%s%s: %v, want %s", name, c.suffix, err, c.want)
			}
		}
	}
}

func TestConformanceErrors(t *testing.T) {
	type row struct{ Dockerfile, ExpectedError, Name string }
	for _, r := range rows[[]row](t, "TestErrorCases", "cases") {
		_, err := Parse(strings.NewReader(r.Dockerfile))
		if err == nil || !strings.Contains(err.Error(), r.ExpectedError) {
			t.Errorf("%s: %v, want %s", r.Name, err, r.ExpectedError)
		}
	}
}

func TestConformanceCopyHeredoc(t *testing.T) {
	type content struct {
		Data, Path string
		Expand     bool
	}
	type sources struct {
		DestPath       string
		SourcePaths    []string
		SourceContents []content
	}
	type row struct {
		Dockerfile     string
		SourcesAndDest sources
	}
	for _, r := range rows[[]row](t, "TestCopyHeredoc", "cases") {
		in, err := ParseInstruction(r.Dockerfile, '\\')
		if err != nil {
			t.Fatal(err)
		}
		paths, inline, dest := in.Sources()
		got := sources{DestPath: dest, SourcePaths: paths}
		for _, h := range inline {
			got.SourceContents = append(got.SourceContents, content{h.Body(), h.Name, h.Expand})
		}
		if diff := cmp.Diff(r.SourcesAndDest, got); diff != "" {
			t.Errorf("%s: %s", r.Dockerfile, diff)
		}
	}
}

func TestConformanceRunHeredoc(t *testing.T) {
	type file struct {
		Data, Name string
		Chomp      bool
	}
	type row struct {
		Dockerfile string
		Shell      bool
		Command    []string
		Files      []file
	}
	for _, r := range rows[[]row](t, "TestRunHeredoc", "cases") {
		in, err := ParseInstruction(r.Dockerfile, '\\')
		if err != nil {
			t.Fatal(err)
		}
		got := row{Dockerfile: r.Dockerfile, Shell: !in.JSON, Command: in.Args}
		for _, h := range in.Heredocs {
			got.Files = append(got.Files, file{h.Content, h.Name, h.Chomp})
		}
		if diff := cmp.Diff(r, got); diff != "" {
			t.Error(diff)
		}
	}
}

// environment makes an Env of NAME=value lines and notes which names were asked
// for and set, and which were not.
func environment(lines []string) (env Env, used, unset *[]string) {
	used, unset = new([]string), new([]string)
	return func(name string) (string, bool) {
		for _, line := range slices.Backward(lines) {
			if key, value, _ := strings.Cut(line, "="); key == name {
				*used = append(*used, name)
				return value, true
			}
		}
		*unset = append(*unset, name)
		return "", false
	}, used, unset
}

func TestConformanceExpand(t *testing.T) {
	type row struct {
		Line            int
		Input, Expected string
		Error           bool
	}
	all := decode[struct {
		Env  []string
		Rows []row
	}](t, table(t, "expand", "env.json"))
	for _, r := range all.Rows {
		env, _, _ := environment(all.Env)
		got, err := Expand(r.Input, env, '\\')
		if r.Error != (err != nil) || got != r.Expected {
			t.Errorf("line %d: %s gives %q, %v; want %q", r.Line, r.Input, got, err, r.Expected)
		}
	}
}

func TestConformanceExpandWords(t *testing.T) {
	type row struct {
		Line  int
		Env   []string
		Input string
		Words []string
		Error bool
	}
	for _, r := range decode[[]row](t, table(t, "expand", "words.json")) {
		env, _, _ := environment(r.Env)
		got, err := ExpandWords(r.Input, env, '\\')
		if r.Error != (err != nil) || !slices.Equal(got, r.Words) {
			t.Errorf("line %d: %s gives %q, %v; want %q", r.Line, r.Input, got, err, r.Words)
		}
	}
}

func TestConformanceMatches(t *testing.T) {
	type row struct {
		Env             map[string]string
		Input, Expected string
		Error           bool
		Used, Unset     []string
	}
	for _, r := range decode[[]row](t, table(t, "expand", "matches.json")) {
		var lines []string
		for k, v := range r.Env {
			lines = append(lines, k+"="+v)
		}
		env, used, unset := environment(lines)
		got, err := Expand(r.Input, env, '\\')
		if r.Error != (err != nil) || got != r.Expected {
			t.Errorf("%s gives %q, %v; want %q", r.Input, got, err, r.Expected)
		}
		if !r.Error && !slices.Equal(set(*used), set(r.Used)) || !slices.Equal(set(*unset), set(r.Unset)) {
			t.Errorf("%s used %q and missed %q; want %q and %q", r.Input, *used, *unset, r.Used, r.Unset)
		}
	}
}

func set(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

func TestConformancePatterns(t *testing.T) {
	type entry struct {
		Test, Name string
		Rows       json.RawMessage
	}
	for _, e := range decode[[]entry](t, table(t, "expand", "patterns.json")) {
		switch e.Test + " " + e.Name {
		case "TestConvertShellPatternToRegex cases":
			for pattern, want := range decode[map[string]string](t, e.Rows) {
				if got, err := patternRegexp(pattern, true, true, '\\'); got != want {
					t.Errorf("%s gives %s, %v; want %s", pattern, got, err, want)
				}
			}
		case "TestConvertShellPatternToRegex invalid":
			for _, pattern := range decode[[]string](t, e.Rows) {
				if got, err := patternRegexp(pattern, true, true, '\\'); err == nil {
					t.Errorf("%s gives %s", pattern, got)
				}
			}
		case "TestReversePattern cases":
			for pattern, want := range decode[map[string]string](t, e.Rows) {
				if got := reversePattern(pattern, '\\'); got != want {
					t.Errorf("%s gives %s, want %s", pattern, got, want)
				}
			}
		default:
			t.Errorf("table %s %s is not tested", e.Test, e.Name)
		}
	}
}

func TestConformanceCorpus(t *testing.T) {
	type stage struct {
		Base, Name, Platform string
		Instructions         [][3]any
	}
	type row struct {
		File, Escape, Error string
		Args, Line          int
		Stages              []stage
	}
	all := decode[[]row](t, table(t, "corpus", "expected.json"))
	for _, want := range all {
		text := string(table(t, "corpus", "files", want.File))
		got := row{File: want.File, Escape: want.Escape, Line: want.Line}
		f, err := Parse(strings.NewReader(text))
		if err != nil {
			if want.Error == "" || !strings.Contains(err.Error(), want.Error) {
				t.Errorf("%s: %v, want %q", want.File, err, want.Error)
			}
			continue
		}
		if want.Escape != "" && string(rune(f.Escape)) != want.Escape {
			t.Errorf("%s: escape is %q", want.File, f.Escape)
		}
		got.Args = len(f.Args)
		for _, s := range f.Stages {
			gotStage := stage{Base: s.Base, Name: s.Name, Platform: s.Platform, Instructions: [][3]any{}}
			for _, in := range s.Instructions {
				gotStage.Instructions = append(gotStage.Instructions, [3]any{in.Name, float64(in.Line), float64(in.EndLine)})
			}
			got.Stages = append(got.Stages, gotStage)
		}
		for i := range want.Stages {
			if want.Stages[i].Instructions == nil {
				want.Stages[i].Instructions = [][3]any{}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", want.File, diff)
		}
		stable(t, f)
	}
	t.Logf("%d files", len(all))
}
