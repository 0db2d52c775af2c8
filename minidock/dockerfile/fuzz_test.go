package dockerfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// stable checks that what was parsed can be printed and parsed again, and is
// still the same.
func stable(t *testing.T, f *File) {
	t.Helper()
	printed := f.Format()
	again, err := Parse(strings.NewReader(printed))
	if err != nil {
		t.Fatalf("%v in\n%s", err, printed)
	}
	where := cmpopts.IgnoreFields(Instruction{}, "Text", "Line", "EndLine", "Source", "Comment")
	if diff := cmp.Diff(f, again, where, cmpopts.IgnoreFields(File{}, "Warnings"), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s in\n%s", diff, printed)
	}
	if diff := cmp.Diff(printed, again.Format()); diff != "" {
		t.Fatal(diff)
	}
}

// inOrder checks that several mistakes come by line, each with its text.
func inOrder(t *testing.T, err error) {
	t.Helper()
	var several *Errors
	if !errors.As(err, &several) {
		return
	}
	line := 0
	for _, e := range *several {
		if e.Line <= line || e.EndLine < e.Line || e.Text == "" {
			t.Fatalf("line %d to %d after line %d, text %q", e.Line, e.EndLine, line, e.Text)
		}
		line = e.EndLine
	}
	if n := len(*several); n < 2 || n > maxMistakes {
		t.Fatalf("%d mistakes", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"FROM scratch\nCOPY a /\n",
		"# syntax=x\n# escape=`\nARG v=1\nFROM --platform=$P a:$v AS b\nRUN dir `\n\n# c\n C:\\\n",
		"FROM a\nRUN <<A cat && <<-'B' cat\na\nA\n\tb\n\tB\nCOPY <<a <<\"b c\" /d/\na\nb c\nONBUILD RUN <<E\nx\nE\n",
		"FROM a\nENV a=b c=\"d e\" f='g' h=i\\ j\nENV k l m\nLABEL a.b=c\nARG x y=z\n",
		"FROM a\nCMD [\"a\", \"b\"]\nENTRYPOINT [ 'a' ]\nSHELL [\"/bin/sh\"]\nHEALTHCHECK --retries=3 CMD [\"x\"]\n",
		"FROM a\nCOPY --from=b --chown=\"a b\" -- --x /y\nVOLUME [\"/a b\"]\nEXPOSE 80 90/udp\nRUN --mount=type=tmpfs,target=/x --mount=target=/y z\n",
		"\uFEFF  from a\r\nrun a \\\r\n  b\r\nuser x\r\nworkdir /a b\r\n",
		"FROM a\nRUN a\\\\\nENV a \\\nb\n",
		"FROM --platform=\x9c a\n",
		"FROM \\ \\",
		"FROM a\nRUNN b\n c\nCOPY d\nRUN <<E\nE \n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse(strings.NewReader(text))
		if err != nil {
			if file != nil {
				t.Fatal("both a file and an error")
			}
			inOrder(t, err)
			return
		}
		stable(t, file)
	})
}

func FuzzExpand(f *testing.F) {
	for _, word := range []string{"a${b:-c}d", "'$a'", `"\$a $b"`, "${a#*x}${b%%y?}", "${a//b/c}", "${a:?b}", `\\\a`, "${a${b}}", "a b\\ c"} {
		f.Add(word, "value of a")
	}
	f.Fuzz(func(t *testing.T, word, value string) {
		env := func(name string) (string, bool) { return value, name == "a" }
		for _, escape := range []byte("\\`") {
			text, err := Expand(word, env, escape)
			words, err2 := ExpandWords(word, env, escape)
			if (err == nil) != (err2 == nil) {
				t.Fatalf("%q: %v, but %v", word, err, err2)
			}
			if err != nil && (text != "" || words != nil) {
				t.Fatalf("%q: both a result and an error", word)
			}
			if !strings.ContainsAny(word, "$'\"\\`") && text != word {
				t.Fatalf("%q became %q", word, text)
			}
		}
	})
}

func FuzzParseMount(f *testing.F) {
	for _, value := range []string{"type=cache,target=/a,id=b,sharing=locked,mode=700,uid=1,gid=2", `type=bind,"source=a,b",target=/c,rw`,
		"type=secret,id=a,env=B,required", "type=tmpfs,target=/a,size=1g", "type=ssh,ro=0"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		m, err := ParseMount(value, nil)
		if err != nil && m != (Mount{}) {
			t.Fatalf("%q: both a mount and an error", value)
		}
		if err == nil && (m.Size < 0 || m.Type == "secret" && m.ID == "" || m.Type == "bind" && !strings.HasPrefix(m.Source, "/")) {
			t.Fatalf("%q gives %+v", value, m)
		}
	})
}
