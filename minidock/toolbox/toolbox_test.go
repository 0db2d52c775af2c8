//go:build linux

package toolbox

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMain makes the test binary what the real one is: any utility, by the
// name that it is called by. The shell's tests start it like that.
func TestMain(m *testing.M) {
	if Has(filepath.Base(os.Args[0])) {
		os.Exit(Main(os.Args))
	}
	os.Exit(m.Run())
}

// run calls a utility in this process.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	tool := &tool{name: args[0], args: args[1:], in: strings.NewReader(stdin), out: bufio.NewWriter(&out), err: &errs}
	run := find(args[0])
	if run == nil {
		t.Fatalf("no utility %q", args[0])
	}
	code = tool.run(run)
	return out.String(), errs.String(), code
}

// files makes files in a new directory and works in it.
func files(t *testing.T, contents map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, content := range contents {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNames(t *testing.T) {
	all := names()
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("the table of utilities is not sorted, or names one twice: %v", all)
	}
	if !Has("sh") || Has("minidock") || Has("docker") || Has("") {
		t.Error("Has: want sh, and none of minidock, docker and the empty name")
	}
	if got := Main([]string{"/bin/true"}); got != 0 {
		t.Errorf("true = %d", got)
	}
	if got := Main([]string{"/bin/false"}); got != 1 {
		t.Errorf("false = %d", got)
	}
}

func TestGetopt(t *testing.T) {
	o, err := getopt([]string{"-la", "x", "-n5", "-o", "v", "--recursive", "--", "-z"}, "lan:o:", map[string]byte{"recursive": 'R'})
	if err != nil {
		t.Fatal(err)
	}
	want := options{
		set:   map[byte]bool{'l': true, 'a': true, 'n': true, 'o': true, 'R': true},
		value: map[byte]string{'n': "5", 'o': "v"},
		args:  []string{"x", "-z"},
	}
	if diff := cmp.Diff(want, o, cmp.AllowUnexported(options{})); diff != "" {
		t.Error(diff)
	}
	for _, args := range [][]string{{"-q"}, {"-n"}, {"--no"}, {"-:"}} {
		if _, err := getopt(args, "n:", nil); err == nil {
			t.Errorf("getopt(%q) succeeds", args)
		}
	}
}

// TestOutput is what people type most, and what they see.
func TestOutput(t *testing.T) {
	files(t, map[string]string{
		"abc": "one\ntwo\nthree\n", "nl": "no newline", "dir/inner": "needle\nhay\n", "dir/other": "Needle 2\n",
		"cols": "b:2:x\na:10:y\nc:1:z\n", ".hidden": "",
	})
	for _, test := range []struct {
		stdin string
		args  string
		want  string
		code  int
	}{
		{args: "cat abc nl", want: "one\ntwo\nthree\nno newline"},
		{args: "cat", stdin: "typed", want: "typed"},
		{args: "cat missing abc", want: "one\ntwo\nthree\n", code: 1},
		{args: "head -n 1 abc", want: "one\n"},
		{args: "head -2 abc", want: "one\ntwo\n"},
		{args: "head -c 3 abc", want: "one"},
		{args: "head -n 1 abc nl", want: "==> abc <==\none\n==> nl <==\nno newline"},
		{args: "tail -n 2 abc", want: "two\nthree\n"},
		{args: "tail -n +2 abc", want: "two\nthree\n"},
		{args: "tail -1 abc", want: "three\n"},
		{args: "tail -c 4 nl", want: "line"},
		{args: "wc -l abc", want: "3 abc\n"},
		{args: "wc -c", stdin: "12345", want: "5\n"},
		{args: "wc abc nl", want: "      3       3      14 abc\n      0       2      10 nl\n      3       5      24 total\n"},
		{args: "sort cols", want: "a:10:y\nb:2:x\nc:1:z\n"},
		{args: "sort -r cols", want: "c:1:z\nb:2:x\na:10:y\n"},
		{args: "sort -t: -k2 -n cols", want: "c:1:z\nb:2:x\na:10:y\n"},
		{args: "sort -u", stdin: "b\na\nb\n", want: "a\nb\n"},
		{args: "uniq -c", stdin: "a\na\nb\n", want: "      2 a\n      1 b\n"},
		{args: "uniq -d", stdin: "a\na\nb\n", want: "a\n"},
		{args: "cut -d: -f1,3 cols", want: "b:x\na:y\nc:z\n"},
		{args: "cut -c2-", stdin: "hello\n", want: "ello\n"},
		{args: "tr a-z A-Z", stdin: "hello\n", want: "HELLO\n"},
		{args: "tr -d l", stdin: "hello\n", want: "heo\n"},
		{args: "tr -s l", stdin: "hello\n", want: "helo\n"},
		{args: "tr -cd [:digit:]", stdin: "a1b2\n", want: "12"},
		{args: "seq 3", want: "1\n2\n3\n"},
		{args: "seq 5 -2 1", want: "5\n3\n1\n"},
		{args: "grep needle dir/inner", want: "needle\n"},
		{args: "grep -i needle dir/inner dir/other", want: "dir/inner:needle\ndir/other:Needle 2\n"},
		{args: "grep -n hay dir/inner", want: "2:hay\n"},
		{args: "grep -v needle dir/inner", want: "hay\n"},
		{args: "grep -c e abc", want: "2\n"},
		{args: "grep -rl needle dir", want: "dir/inner\n"},
		{args: "grep -E t(wo|hree) abc", want: "two\nthree\n"},
		{args: `grep t\(wo\|hree\) abc`, want: "two\nthree\n"},
		{args: "grep -F (", stdin: "a(b\n", want: "a(b\n"},
		{args: "grep a+ abc", code: 1},
		{args: "grep -q two abc"},
		{args: "grep absent abc", code: 1},
		{args: "grep x missing", code: 2},
		{args: "grep -ow th* abc", code: 1},
		{args: "basename /a/b.txt .txt", want: "b\n"},
		{args: "dirname /a/b.txt", want: "/a\n"},
		{args: "echo -n hi", want: "hi"},
		{args: "printf %s-%03d\\n a 7", want: "a-007\n"},
		{args: "test -f abc"},
		{args: "test -d abc", code: 1},
		{args: "[ a = a ]"},
		{args: "ls", want: "abc\ncols\ndir\nnl\n"},
		{args: "ls -a", want: ".\n..\n.hidden\nabc\ncols\ndir\nnl\n"},
		{args: "ls -A1r", want: "nl\ndir\ncols\nabc\n.hidden\n"},
		{args: "ls -d dir", want: "dir\n"},
		{args: "ls -F", want: "abc\ncols\ndir/\nnl\n"},
		{args: "ls dir abc", want: "abc\n\ndir:\ninner\nother\n"},
		{args: "ls -R", want: ".:\nabc\ncols\ndir\nnl\n\ndir:\ninner\nother\n"},
		{args: "ls missing abc", want: "abc\n", code: 1},
		{args: "sha256sum", stdin: "abc", want: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n"},
		{args: "stat -c %n:%s:%a:%F abc", want: "abc:14:644:regular file\n"},
		{args: "find dir -name in*", want: "dir/inner\n"},
		{args: "base64 -d", stdin: "aGk=", want: "hi"},
		{args: "xargs echo", stdin: "a\nb\n", want: "a b\n"},
		{args: "date -u -d @0", want: "Thu Jan  1 00:00:00 UTC 1970\n"},
		{args: "date -u -d 2024-02-29T12:30:00Z +%F_%T_%j_%s_%y%%", want: "2024-02-29_12:30:00_060_1709209800_24%\n"},
		{args: "date +x today", want: "x\n"},
		{args: "date yesterday", code: 1},
		{args: "sleep", code: 1},
		{args: "sleep 0.001"},
		{args: "sleep soon", code: 1},
		{args: "which sh-is-not-here", code: 1},
	} {
		stdout, stderr, code := run(t, test.stdin, strings.Fields(test.args)...)
		if stdout != test.want || code != test.code {
			t.Errorf("%s\n got %q, %d\nwant %q, %d\n%s", test.args, stdout, code, test.want, test.code, stderr)
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Chdir(t.TempDir())
	for args, want := range map[string]string{
		"cat nothing":      "cat: nothing: No such file or directory\n",
		"mkdir a/b":        "mkdir: a/b: No such file or directory\n",
		"ls nothing":       "ls: nothing: No such file or directory\n",
		"rmdir nothing":    "rmdir: nothing: No such file or directory\n",
		"rm .":             "rm: refusing to remove \".\"\n",
		"rm":               "rm: missing operand\n",
		"ls -%":            "ls: invalid option -- '%'\n",
		"kill -9 notapid":  "kill: invalid number 'notapid'\n",
		"chmod q nothing":  "chmod: invalid mode 'q'\n",
		"touch no/such":    "touch: no/such: No such file or directory\n",
		"ln -s a missing/": "ln: a -> missing/: No such file or directory\n",
	} {
		_, stderr, code := run(t, "", strings.Fields(args)...)
		if stderr != want || code == 0 {
			t.Errorf("%s: got %q, code %d; want %q", args, stderr, code, want)
		}
	}
}

func FuzzParseMode(f *testing.F) {
	for _, seed := range []string{"755", "u+x", "a=rX,go-w", "+t", "u=s", ",", "99999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		change, err := parseMode(text)
		if err != nil {
			return
		}
		if mode := change(0o644, true); mode > 0o7777 {
			t.Errorf("parseMode(%q) makes mode %o", text, mode)
		}
	})
}

func FuzzGrepPattern(f *testing.F) {
	for _, seed := range []string{`a\(b\)*`, `*`, `^*x`, `0**`, `^**`, `a\{2\}`, `\`, `[a(]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		if !strings.ContainsAny(pattern, `\[`) {
			// Without backslashes and sets nothing may be a mistake.
			if _, err := compilePattern(pattern, options{}); err != nil && !strings.Contains(err.Error(), "UTF-8") {
				t.Errorf("compile %q: %v", pattern, err)
			}
		}
		compilePattern(pattern, options{}) // must not panic
	})
}
