package dockerfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// parse reads a file and returns the instructions of its last stage.
func parse(t *testing.T, text string) []Instruction {
	t.Helper()
	f, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.Stages[len(f.Stages)-1].Instructions
}

func TestStages(t *testing.T) {
	f, err := Parse(strings.NewReader(`ARG VERSION=3
FROM --platform=$BUILDPLATFORM golang:$VERSION AS Build
RUN make
FROM scratch
COPY --from=build /a /
`))
	if err != nil {
		t.Fatal(err)
	}
	type stage struct{ Name, Base, Platform, First string }
	var got []stage
	for _, s := range f.Stages {
		got = append(got, stage{s.Name, s.Base, s.Platform, s.Instructions[0].Name})
	}
	want := []stage{{"build", "golang:$VERSION", "$BUILDPLATFORM", "RUN"}, {"", "scratch", "", "COPY"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(f.Args) != 1 || f.Args[0].Pairs[0] != (Pair{"VERSION", "3", true}) {
		t.Errorf("args before the first stage: %v", f.Args)
	}
}

// TestForms has a row for each way in which arguments can be written.
func TestForms(t *testing.T) {
	for line, want := range map[string]Instruction{
		`run echo "a"  b`:             {Name: "RUN", Args: []string{`echo "a"  b`}},
		`RUN ["echo", "a b"]`:         {Name: "RUN", Args: []string{"echo", "a b"}, JSON: true},
		`RUN ['echo']`:                {Name: "RUN", Args: []string{"['echo']"}},
		`RUN [ -f x ] || y`:           {Name: "RUN", Args: []string{"[ -f x ] || y"}},
		`RUN ["a"] b`:                 {Name: "RUN", Args: []string{`["a"] b`}},
		`CMD []`:                      {Name: "CMD", JSON: true},
		`CMD`:                         {Name: "CMD", Args: []string{""}},
		`COPY "a b" c`:                {Name: "COPY", Args: []string{`"a`, `b"`, "c"}},
		`COPY ["a b", "c"]`:           {Name: "COPY", Args: []string{"a b", "c"}, JSON: true},
		"COPY a\u00a0b c":             {Name: "COPY", Args: []string{"a\u00a0b", "c"}},
		`VOLUME /a /b`:                {Name: "VOLUME", Args: []string{"/a", "/b"}},
		`EXPOSE 80 53/udp`:            {Name: "EXPOSE", Args: []string{"80", "53/udp"}},
		`WORKDIR /a b `:               {Name: "WORKDIR", Args: []string{"/a b"}},
		`USER $me`:                    {Name: "USER", Args: []string{"$me"}},
		`SHELL ["/bin/sh", "-c"]`:     {Name: "SHELL", Args: []string{"/bin/sh", "-c"}, JSON: true},
		`HEALTHCHECK none`:            {Name: "HEALTHCHECK", Args: []string{"NONE"}},
		`HEALTHCHECK cmd  a b`:        {Name: "HEALTHCHECK", Args: []string{"CMD", "a b"}},
		`HEALTHCHECK CMD ["a", "b"]`:  {Name: "HEALTHCHECK", Args: []string{"CMD", "a", "b"}, JSON: true},
		`ONBUILD run ["a"]`:           {Name: "ONBUILD", Args: []string{`run ["a"]`}},
		`ENV a=b "c"='d e' f=g\ h`:    {Name: "ENV", Args: []string{"a=b", `"c"='d e'`, `f=g\ h`}, Pairs: []Pair{{"a", "b", true}, {`"c"`, "'d e'", true}, {"f", `g\ h`, true}}},
		`ENV a  b = c`:                {Name: "ENV", Args: []string{"a", "b = c"}, Pairs: []Pair{{"a", "b = c", true}}},
		`LABEL a.b=`:                  {Name: "LABEL", Args: []string{"a.b="}, Pairs: []Pair{{"a.b", "", true}}},
		`ARG a b=c`:                   {Name: "ARG", Args: []string{"a", "b=c"}, Pairs: []Pair{{"a", "", false}, {"b", "c", true}}},
		`COPY --link --from=x a b`:    {Name: "COPY", Flags: []Flag{{"link", "", false}, {"from", "x", true}}, Args: []string{"a", "b"}},
		`COPY --chown="a b" -- --x y`: {Name: "COPY", Flags: []Flag{{"chown", "a b", true}}, Args: []string{"--x", "y"}},
		`RUN --mount=a --mount=b c`:   {Name: "RUN", Flags: []Flag{{"mount", "a", true}, {"mount", "b", true}}, Args: []string{"c"}},
		`RUN -- --x`:                  {Name: "RUN", Args: []string{"--x"}},
	} {
		got, err := ParseInstruction(line, '\\')
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		where := cmpopts.IgnoreFields(Instruction{}, "Text", "Line", "EndLine", "Source")
		if diff := cmp.Diff(want, got, where, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

// TestLines: what is one line, where it begins and ends.
func TestLines(t *testing.T) {
	type line struct {
		Text       string
		First, End int
	}
	for _, c := range []struct {
		name, text string
		want       []line
	}{
		{"comments and blanks", "\n# c\n RUN a\n\n  # c\nRUN b", []line{{"a", 4, 4}, {"b", 7, 7}}},
		{"continuation", "RUN a \\\n  b\\\nc\nRUN d", []line{{"a   bc", 2, 4}, {"d", 5, 5}}},
		{"blanks behind it", "RUN a\\ \t \nb", []line{{"ab", 2, 3}}},
		{"doubled escape", "RUN a\\\\\nRUN b", []line{{`a\\`, 2, 2}, {"b", 3, 3}}},
		{"comments inside", "RUN a \\\n# c \\\n  # c\nb \\\n\nc", []line{{"a b c", 2, 7}}},
		{"at the end of the file", "RUN a \\", []line{{"a", 2, 2}}},
		{"nothing but escape", "\\\nRUN \\\n\\\na\n\\\n", []line{{"a", 2, 5}}},
		{"CRLF", "RUN a \\\r\n b\r\nRUN c\r\n", []line{{"a  b", 2, 3}, {"c", 4, 4}}},
		{"a sharp inside", "RUN a # b", []line{{"a # b", 2, 2}}},
		{"here-documents", "RUN a\nRUN <<E\n# b \\\n\nRUN c\nE\nRUN d", []line{{"a", 2, 2}, {"<<E", 3, 7}, {"d", 8, 8}}},
	} {
		var got []line
		for _, in := range parse(t, "FROM a\n"+c.text) {
			got = append(got, line{in.Text, in.Line, in.EndLine})
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestSource(t *testing.T) {
	in := parse(t, "FROM a\r\nRUN a \\\r\n# b\r\n c\r\n\r\nRUN d")[0]
	if want := "RUN a \\\r\n# b\r\n c"; in.Source != want {
		t.Errorf("source is %q, want %q", in.Source, want)
	}
}

func TestDirectives(t *testing.T) {
	for _, c := range []struct {
		text   string
		escape byte
		err    string
	}{
		{"FROM a", '\\', ""},
		{"# escape=`\nFROM a", '`', ""},
		{"\uFEFF#Escape = `\r\nFROM a\r\n", '`', ""},
		{"# syntax=docker/dockerfile:1\n# check=skip=all\n# escape=`\nFROM a", '`', ""},
		{"# a comment\n# escape=`\nFROM a", '\\', ""},
		{"# unknown=x\n# escape=`\nFROM a", '\\', ""},
		{"\n# escape=`\nFROM a", '\\', ""},
		{"FROM a\n# escape=`\n", '\\', ""},
		{"# escape=x\nFROM a", 0, "dockerfile parse error on line 1: invalid escape token 'x' does not match ` or \\"},
		{"# escape=`\n# escape=`\nFROM a", 0, "dockerfile parse error on line 2: only one escape parser directive can be used"},
	} {
		f, err := Parse(strings.NewReader(c.text))
		switch {
		case err != nil && err.Error() != c.err, err == nil && c.err != "":
			t.Errorf("%q: %v, want %s", c.text, err, c.err)
		case err == nil && f.Escape != c.escape:
			t.Errorf("%q: escape is %q", c.text, f.Escape)
		}
	}
	in := parse(t, "# escape=`\nFROM a\nRUN dir c:\\ `\n  /b\nENV a=b` c\n")
	if in[0].Text != `dir c:\   /b` || in[1].Pairs[0].Value != "b` c" {
		t.Errorf("escape by backtick: %q", in)
	}
}

func TestHeredocs(t *testing.T) {
	for _, c := range []struct {
		text, script string
		want         []Heredoc
	}{
		{"RUN <<E\na\nE\n", "a\n", []Heredoc{{"E", 0, true, false, "a\n"}}},
		{"RUN <<-E\n\ta\n\tE\n", "a\n", []Heredoc{{"E", 0, true, true, "\ta\n"}}},
		{"RUN <<'E'\na\nE\n", "a\n", []Heredoc{{"E", 0, false, false, "a\n"}}},
		{"RUN <<E sh\na\nE\n", "<<E sh\na\nE", []Heredoc{{"E", 0, true, false, "a\n"}}},
		{"RUN 3<<A <<B cat\na\nA\nb\nB", "3<<A <<B cat\na\nA\nb\nB", []Heredoc{{"A", 3, true, false, "a\n"}, {"B", 0, true, false, "b\n"}}},
		{"RUN cat \\\n  <<E\na\nE\n", "cat   <<E\na\nE", []Heredoc{{"E", 0, true, false, "a\n"}}},
		{"RUN <<E\r\na\r\nE\r\n", "a\r\n", []Heredoc{{"E", 0, true, false, "a\r\n"}}},
		{`RUN cat <<< a`, "cat <<< a", nil},
		{`RUN "<<E"`, `"<<E"`, nil},
		{`RUN a<<E`, "a<<E", nil},
		{`RUN echo $((1<<2))`, "echo $((1<<2))", nil},
	} {
		in := parse(t, "FROM a\n"+c.text)[0]
		if diff := cmp.Diff(c.want, in.Heredocs, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", c.text, diff)
		}
		if got := in.Script(); got != c.script {
			t.Errorf("%s runs %q, want %q", c.text, got, c.script)
		}
	}
	if in := parse(t, "FROM a\nRUN [\"<<E\"]\nLABEL a=\"<<E\"\nEXPOSE <<E\n"); len(in) != 3 {
		t.Errorf("a here-document where none can be: %v", in)
	}
}

func TestShebang(t *testing.T) {
	for text, want := range map[string]bool{
		"RUN <<E\n#!/bin/python\nE\n":      true,
		"RUN <<-E\n\t#!/bin/python\n\tE\n": true,
		"RUN <<E\necho\nE\n":               false,
		"RUN <<E sh\n#!/bin/python\nE\n":   false,
		"RUN #!/bin/python":                false,
	} {
		if _, got := parse(t, "FROM a\n"+text)[0].Shebang(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestSources(t *testing.T) {
	in := parse(t, "FROM a\nCOPY <<a x <<-\"b\" y /d\nA $v\na\n\tB $v\nb\n")[0]
	paths, inline, dest := in.Sources()
	if !slices.Equal(paths, []string{"x", "y"}) || dest != "/d" || len(inline) != 2 {
		t.Fatalf("sources %q, %v, %q", paths, inline, dest)
	}
	env := func(string) (string, bool) { return "1", true }
	for i, want := range []string{"A 1\n", "B $v\n"} {
		if got, err := inline[i].Expanded(env); got != want || err != nil {
			t.Errorf("%s expands to %q, %v; want %q", inline[i].Name, got, err, want)
		}
	}
}

// TestTriggers: what ONBUILD stores is enough to read the instruction again.
func TestTriggers(t *testing.T) {
	in := parse(t, "FROM a\nONBUILD RUN <<E cat\nb\nE\nRUN c")
	if len(in) != 2 || in[0].Args[0] != "RUN <<E cat\nb\nE" {
		t.Fatalf("got %q", in)
	}
	trigger, err := ParseInstruction(in[0].Args[0], '\\')
	if err != nil || trigger.Script() != "<<E cat\nb\nE" {
		t.Errorf("trigger %q, %v", trigger, err)
	}
	if _, err := ParseInstruction("RUN a\nRUN b", '\\'); err == nil {
		t.Error("two instructions are taken for one")
	}
	if _, err := ParseInstruction("# nothing", '\\'); err == nil {
		t.Error("a comment is taken for an instruction")
	}
}

func TestErrors(t *testing.T) {
	for line, want := range map[string]string{
		"RUNN a":                            "unknown instruction: RUNN (did you mean RUN?)",
		"form a":                            "unknown instruction: form (did you mean FROM?)",
		"ENTRYPONT a":                       "unknown instruction: ENTRYPONT (did you mean ENTRYPOINT?)",
		"NOINSTRUCTION":                     "unknown instruction: NOINSTRUCTION",
		"apt-get install x":                 "unknown instruction: apt-get (to run a command, write RUN apt-get …)",
		"FROM":                              "FROM requires either one or three arguments (write FROM image, or FROM image AS name)",
		"FROM a b":                          "FROM requires either one or three arguments (to name the stage, write FROM a AS b)",
		"FROM a # b c d":                    "FROM requires either one or three arguments (a comment needs a line of its own)",
		"FROM a AS 1x":                      `invalid name for build stage: "1x", name can't start with a number or contain symbols`,
		"FROM a AS b/c":                     `invalid name for build stage: "b/c", name can't start with a number or contain symbols`,
		"COPY a":                            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
		"ADD [\"a\"]":                       "ADD requires at least two arguments, but only one was provided. Destination could not be determined",
		"COPY a <<E\nE":                     "COPY cannot accept a heredoc as a destination",
		"COPY --form=a b c":                 "unknown flag: --form (did you mean --from?)",
		"COPY --from=a --from=b c d":        "duplicate flag specified: from",
		"COPY --from a b":                   "missing a value on flag: from (write --from=…, without blanks)",
		"COPY --link= a b":                  "missing a value on flag: link",
		"COPY --link=yes a b":               "expecting boolean value for flag link, not: yes",
		"ENV":                               "ENV requires at least one argument",
		"ENV a":                             "ENV must have two arguments (write ENV a=value)",
		"ENV a=b c":                         `Syntax error - can't find = in "c". Must be of the form: name=value (a value with blanks needs quotes)`,
		"ENV a=b # c":                       `Syntax error - can't find = in "#". Must be of the form: name=value (a comment needs a line of its own)`,
		"LABEL =b":                          "LABEL names can not be blank",
		"ARG":                               "ARG requires at least one argument",
		"ARG =b":                            "ARG names can not be blank",
		"EXPOSE":                            "EXPOSE requires at least one argument",
		"VOLUME [\"\"]":                     "VOLUME specified can not be an empty string",
		"WORKDIR":                           "WORKDIR requires exactly one argument",
		"USER":                              "USER requires exactly one argument",
		"STOPSIGNAL":                        "STOPSIGNAL requires exactly one argument",
		"SHELL":                             "SHELL requires at least one argument",
		"SHELL []":                          "SHELL requires at least one argument",
		"SHELL /bin/sh":                     `SHELL requires the arguments to be in JSON form (as in SHELL ["/bin/sh", "-c"])`,
		"CMD [\"a\", 1]":                    "when using JSON array syntax, arrays must be comprised of strings only (put double quotes around each element)",
		"HEALTHCHECK":                       "HEALTHCHECK requires at least one argument",
		"HEALTHCHECK NONE a":                "HEALTHCHECK NONE takes no arguments",
		"HEALTHCHECK CMD":                   "Missing command after HEALTHCHECK CMD",
		"HEALTHCHECK RUN a":                 `Unknown type "RUN" in HEALTHCHECK (try CMD)`,
		"HEALTHCHECK --retries=-1 CMD a":    "--retries cannot be negative (-1)",
		"HEALTHCHECK --retries=x CMD a":     `strconv.ParseInt: parsing "x": invalid syntax`,
		"HEALTHCHECK --interval=1us CMD a":  `Interval "interval" cannot be less than 1ms`,
		"HEALTHCHECK --timeout=1 CMD a":     `time: missing unit in duration "1"`,
		"ONBUILD":                           "ONBUILD requires at least one argument",
		"ONBUILD FROM a":                    "FROM isn't allowed as an ONBUILD trigger",
		"ONBUILD maintainer a":              "MAINTAINER isn't allowed as an ONBUILD trigger",
		"ONBUILD ONBUILD RUN a":             "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
		"ONBUILD RUNN a":                    "unknown instruction: RUNN (did you mean RUN?)",
		"ONBUILD COPY a":                    "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
		"RUN <<E\na\n":                      "unterminated heredoc (it ends with a line that is nothing but E)",
		"MAINTAINER --x a":                  "unknown flag: --x (MAINTAINER has no flags)",
		"FROM --x a":                        "unknown flag: --x (FROM has --platform)",
		"RUN --network=on a":                `invalid network mode "on" (it may be default, none, host)`,
		"RUN --security=none a":             `security "none" is not valid`,
		"RUN --network=host --network=none": "duplicate flag specified: network",
	} {
		f, err := Parse(strings.NewReader("FROM scratch\n\n" + line))
		if want = "dockerfile parse error on line 3: " + want; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
		var e *Error
		text := strings.TrimRight(line, "\n")
		if strings.Contains(want, "unterminated") { // only the line that opens it
			text, _, _ = strings.Cut(line, "\n")
		}
		if !errors.As(err, &e) || e.Text != text || f != nil {
			t.Errorf("%s: the error shows %q, the file is %v", line, e.Text, f)
		}
	}
}

func TestFileErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "file with no instructions",
		"# a\n\n":           "file with no instructions",
		"ARG a\n":           "dockerfile parse error on line 1: no build stage in current context",
		"ARG a\n\nRUN b\n":  "dockerfile parse error on line 3: no build stage in current context (the first instruction is FROM)",
		"FROM a\n RUNN \\x": "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)",
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := Parse(iotest.ErrReader(errors.New("broken"))); err == nil || err.Error() != "read dockerfile: broken" {
		t.Errorf("a broken reader: %v", err)
	}
}

// TestSeveralErrors: each mistake is told once, and none that only follows from
// another one.
func TestSeveralErrors(t *testing.T) {
	for text, want := range map[string][]string{
		"FROM a\nRUNN b\nRUN ok\nCOPY c\nEXPOSE\n": {
			"2 unknown instruction: RUNN (did you mean RUN?)",
			"4 COPY requires at least two arguments, but only one was provided. Destination could not be determined",
			"5 EXPOSE requires at least one argument",
		},
		"FORM a\nRUN b\nCMD c\n": {"1 unknown instruction: FORM (did you mean FROM?)"},
		"RUN b\nCMD c\nFROM a\n": {"1 no build stage in current context (the first instruction is FROM)"},
		"FROM a\nRUN apt-get update\n  apt-get install \\\n   curl\n  && rm x\nCOPY a\n": {
			"3 unknown instruction: apt-get (if this belongs to the RUN above, line 2 must end with \\)",
			"6 COPY requires at least two arguments, but only one was provided. Destination could not be determined",
		},
		"FROM a\nRUN b\n\n# c\napt-get update\n": {"5 unknown instruction: apt-get (if this belongs to the RUN above, line 2 must end with \\)"},
		"FROM a\nLABEL b=c\n  d=e\n":             {"3 unknown instruction: d=e (if this belongs to the LABEL above, line 2 must end with \\)"},
		"FROM a\nRUN b `\n  c\n":                 {"3 unknown instruction: c (the directive escape says that line 2 goes on if it ends with \\)"},
		"# escape=`\nFROM a\nRUN b \\\n  c\n":    {"4 unknown instruction: c (the directive escape says that line 3 goes on if it ends with `)"},
		"FROM a\nRUNN <<E\nfrom\nE\nCOPY b\n":    {"2 unknown instruction: RUNN (did you mean RUN?)"},
		"FROM a\nx: 1\nCOPY b\ny: 2\n": {
			"2 unknown instruction: x:",
			"3 COPY requires at least two arguments, but only one was provided. Destination could not be determined",
			"4 unknown instruction: y:",
		},
		"FROM a\nCOPY b\nRUN <<E\nCOPY c\n E\n": {
			"2 COPY requires at least two arguments, but only one was provided. Destination could not be determined",
			"3 unterminated heredoc (line 5 is no end, because of the blanks in it)",
		},
		"FROM a\nRUN <<E\n\tE\n":                          {"2 unterminated heredoc (line 3 is no end, because it is indented; after <<- it would be)"},
		"# escape=`\n# escape=`\nRUNN\n":                  {"2 only one escape parser directive can be used"},
		"FROM a\n" + strings.Repeat("COPY\n", 30):         slices.Repeat([]string{""}, maxMistakes),
		"FROM a\n" + strings.Repeat("x: 1\nRUN ok\n", 30): slices.Repeat([]string{""}, maxMistakes),
	} {
		f, err := Parse(strings.NewReader(text))
		var got []string
		var one *Error
		if several := (*Errors)(nil); errors.As(err, &several) {
			for _, e := range *several {
				got = append(got, fmt.Sprintf("%d %s", e.Line, strings.TrimPrefix(e.Error(), fmt.Sprintf("dockerfile parse error on line %d: ", e.Line))))
			}
			if n := strings.Count(err.Error(), "\n") + 1; n != len(got) {
				t.Errorf("%q: %d mistakes in %d lines: %v", text, len(got), n, err)
			}
		} else if errors.As(err, &one) {
			got = []string{fmt.Sprintf("%d %s", one.Line, strings.TrimPrefix(one.Error(), fmt.Sprintf("dockerfile parse error on line %d: ", one.Line)))}
		}
		if len(want) == maxMistakes {
			want, got = nil, got[maxMistakes:]
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || f != nil {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestWarnings(t *testing.T) {
	f, err := Parse(strings.NewReader("FROM a\nRUN b \\\n\n c\nCMD ['d']\nRUN\nRUN [ -f e ]\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Warning{
		{2, "Empty continuation line found in: RUN b  c"},
		{5, "CMD looks like a JSON array but is none (JSON wants double quotes), so a shell runs it: ['d']"},
		{6, "RUN without a command does nothing"},
	}
	if diff := cmp.Diff(want, f.Warnings); diff != "" {
		t.Error(diff)
	}
}

func TestFlag(t *testing.T) {
	in := parse(t, "FROM a\nCOPY --link --exclude=a --exclude=b --from=c --parents=false d e")[0]
	for name, want := range map[string]string{"link": "true", "from": "c", "parents": "false", "chown": ""} {
		if got, ok := in.Flag(name); got != want || ok != (name != "chown") {
			t.Errorf("flag %s is %q, %v", name, got, ok)
		}
	}
	if got := in.FlagValues("exclude"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("exclude is %q", got)
	}
}

func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		"run  echo  a \\\n  b":              "RUN echo  a   b",
		"copy   a\tb  /c":                   "COPY a b /c",
		"COPY --from=\"a b\" a b":           `COPY --from=a\ b a b`,
		"COPY -- --a b":                     "COPY -- --a b",
		"cmd [ \"a\" ,\"<b>\" ]":            `CMD ["a","<b>"]`,
		"CMD []":                            "CMD []",
		"env a=b  c=\"d  e\"":               `ENV a=b c="d  e"`,
		"ENV a   b  c":                      "ENV a b  c",
		"HEALTHCHECK  cmd  a":               "HEALTHCHECK CMD a",
		"RUN <<E \\\n cat\na\nE":            "RUN <<E  cat\na\nE",
		"COPY <<'a  b' /c\nd\na  b":         "COPY <<'a  b' /c\nd\na  b",
		"onbuild  run <<E\n a\nE":           "ONBUILD run <<E\n a\nE",
		"COPY [\"a\tb\" c":                  "COPY [\"a\tb\" c",
		"HEALTHCHECK --retries=1 CMD[\"\"]": "",
	} {
		in, err := ParseInstruction(text, '\\')
		if err != nil {
			if want != "" {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if got := in.canonical(); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	for text, want := range map[string]string{
		"from  a\n\n# c\nrun b \\\n  c\n":                                  "FROM a\nRUN b   c\n",
		"#check = skip=all \n# Syntax=x\nARG v\nFROM $v as B\nEXPOSE 1  2": "# syntax=x\n# check=skip=all\nARG v\nFROM $v as B\nEXPOSE 1 2\n",
		"# escape=`\nFROM a\nRUN <<E `\n b\nc\nE\n":                        "# escape=`\nFROM a\nRUN <<E  b\nc\nE\n",
	} {
		f, err := Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Format(); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestComments(t *testing.T) {
	f, err := Parse(strings.NewReader("# escape=\\\n# gone\n\n# a\n#  b \nFROM a\nRUN b\n  # c\nRUN \\\n # inside\n d\n"))
	if err != nil {
		t.Fatal(err)
	}
	in := f.Stages[0].Instructions
	if got, want := []string{f.Stages[0].From.Comment, in[0].Comment, in[1].Comment}, []string{"a\nb", "", "c"}; !slices.Equal(got, want) {
		t.Errorf("the comments are %q, want %q", got, want)
	}
}

func TestString(t *testing.T) {
	in := parse(t, "FROM a\nrun --network=none  cat  <<E \\\n b\nc\nE\n")[0]
	if got, want := in.String(), "RUN --network=none cat  <<E  b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestHostile: a file that is made to be slow, or to exhaust the stack, is not.
func TestHostile(t *testing.T) {
	const n = 100_000
	for name, text := range map[string]string{
		"continuations":  "FROM a\nRUN a" + strings.Repeat(" \\\nb", n),
		"flags":          "FROM a\nRUN" + strings.Repeat(" --mount=a", n),
		"triggers":       "FROM a\n" + strings.Repeat("ONBUILD ", n),
		"here-documents": "FROM a\nCOPY" + strings.Repeat(" <<a", n) + " /b\n" + strings.Repeat("a\n", n),
		"JSON":           "FROM a\nRUN " + strings.Repeat("[", n),
		"quotes":         "FROM a\nENV " + strings.Repeat(`a="\"`, n),
		"a long name":    "FROM a\n" + strings.Repeat("RUN", n),
	} {
		start := time.Now()
		f, err := Parse(strings.NewReader(text))
		if err == nil {
			for _, in := range f.Stages[0].Instructions {
				in.Script()
				if in.Name == "COPY" {
					in.Sources()
				}
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s take %v", name, took)
		}
	}
}
