//go:build linux

package toolbox

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// do runs a utility that must succeed.
func do(t *testing.T, command string) string {
	t.Helper()
	stdout, stderr, code := run(t, "", strings.Fields(command)...)
	if code != 0 {
		t.Fatalf("%s: exit code %d: %s", command, code, stderr)
	}
	return stdout
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func TestListLong(t *testing.T) {
	files(t, map[string]string{"file": "hello", "script": "#!/bin/sh\n"})
	do(t, "mkdir sub")
	do(t, "chmod 4755 script")
	do(t, "chmod 1777 sub")
	do(t, "ln -s file link")
	old := time.Date(2020, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, name := range []string{"file", "script", "sub"} {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	uid, gid := os.Getuid(), os.Getgid()
	lines := strings.Split(do(t, "ls -ln"), "\n")
	if !strings.HasPrefix(lines[0], "total ") {
		t.Errorf("the first line is %q", lines[0])
	}
	for i, want := range []string{
		fmt.Sprintf("-rw-r--r-- 1 %d %d    5 Mar  4  2020 file", uid, gid),
		fmt.Sprintf("lrwxrwxrwx 1 %d %d    4 ", uid, gid),
		fmt.Sprintf("-rwsr-xr-x 1 %d %d   10 Mar  4  2020 script", uid, gid),
	} {
		if !strings.HasPrefix(lines[i+1], want) {
			t.Errorf("line %d:\n got %q\nwant %q", i+1, lines[i+1], want)
		}
	}
	if !strings.HasSuffix(lines[2], " link -> file") {
		t.Errorf("the link is shown as %q", lines[2])
	}
	if !strings.HasPrefix(lines[4], "drwxrwxrwt ") {
		t.Errorf("the sticky directory is shown as %q", lines[4])
	}
}

func TestListTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	for when, want := range map[time.Time]string{
		now:                     "Nov 21 12:00",
		now.AddDate(0, -1, -12): "Oct  9 12:00",
		now.AddDate(-1, 0, 0):   "Nov 21  2025",
		now.AddDate(1, 0, 0):    "Nov 21  2027",
	} {
		if got := listTime(when, now); got != want {
			t.Errorf("listTime(%v) = %q, want %q", when, got, want)
		}
	}
}

func TestCopyAndMove(t *testing.T) {
	files(t, map[string]string{"tree/a": "A", "tree/sub/b": "B", "single": "S"})
	do(t, "ln -s a tree/link")
	do(t, "chmod 600 tree/a")
	old := time.Unix(1_000_000_000, 0)
	if err := os.Chtimes("tree/a", old, old); err != nil {
		t.Fatal(err)
	}
	do(t, "cp -a tree copy")
	info, err := os.Stat("copy/a")
	if err != nil || info.Mode().Perm() != 0o600 || !info.ModTime().Equal(old) {
		t.Errorf("cp -a: mode or time not kept: %v %v", info, err)
	}
	if target, _ := os.Readlink("copy/link"); target != "a" {
		t.Errorf("cp -a: the link leads to %q", target)
	}
	if !exists("copy/sub/b") {
		t.Error("cp -a: copy/sub/b is missing")
	}
	if _, _, code := run(t, "", "cp", "tree", "copy2"); code == 0 || exists("copy2") {
		t.Error("cp without -r copies a directory")
	}
	do(t, "mkdir into")
	do(t, "cp single tree/a into")
	do(t, "mv single into/renamed")
	if exists("single") || !exists("into/renamed") || !exists("into/a") {
		t.Error("cp or mv into a directory went wrong")
	}
	if _, stderr, code := run(t, "", "cp", "into/a", "into/a"); code == 0 {
		t.Errorf("cp of a file to itself succeeds: %s", stderr)
	}
	if content, _ := os.ReadFile("into/a"); string(content) != "A" {
		t.Error("cp of a file to itself has emptied it")
	}
}

func TestArchives(t *testing.T) {
	files(t, map[string]string{"tree/a": "A", "tree/sub/b": "B"})
	do(t, "ln -s a tree/link")
	do(t, "chmod 750 tree/a")
	do(t, "tar czf t.tgz tree")
	if got := do(t, "tar tf t.tgz"); got != "tree/\ntree/a\ntree/link\ntree/sub/\ntree/sub/b\n" {
		t.Errorf("tar tf prints %q", got)
	}
	do(t, "mkdir out")
	do(t, "tar -x -f t.tgz")
	do(t, "rm -rf tree")
	do(t, "tar -xf t.tgz")
	if info, err := os.Stat("tree/link"); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("tree/link after tar x: %v, %v", info, err)
	}
	do(t, "gzip tree/sub/b")
	do(t, "gunzip tree/sub/b.gz")
	if got := do(t, "cat tree/sub/b"); got != "B" {
		t.Errorf("after gzip and gunzip: %q", got)
	}
}

// TestHostileArchive must not write outside the directory.
func TestHostileArchive(t *testing.T) {
	home := t.TempDir()
	for name, header := range map[string][]tar.Header{
		"dots": {{Name: "../escaped", Typeflag: tar.TypeReg}},
		"link": {{Name: "up", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "up/escaped", Typeflag: tar.TypeReg}},
	} {
		t.Chdir(home) // back from where -C went
		file, err := os.Create(name + ".tar")
		if err != nil {
			t.Fatal(err)
		}
		w := tar.NewWriter(file)
		for _, h := range header {
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		file.Close()
		dir := t.TempDir()
		if _, stderr, code := run(t, "", "tar", "xf", name+".tar", "-C", dir); code == 0 || stderr == "" {
			t.Errorf("%s: code %d, %q", name, code, stderr)
		}
		if exists(filepath.Join(dir, "..", "escaped")) {
			t.Errorf("%s: a file was written outside", name)
		}
	}
}

func TestRemove(t *testing.T) {
	files(t, map[string]string{"tree/sub/b": "B", "x": ""})
	if _, stderr, code := run(t, "", "rm", "tree"); code != 1 || !strings.Contains(stderr, "Is a directory") {
		t.Errorf("rm of a directory: code %d, %q", code, stderr)
	}
	if _, _, code := run(t, "", "rm", "missing", "x"); code != 1 || exists("x") {
		t.Errorf("rm goes on after an error, and ends with 1; got %d", code)
	}
	do(t, "rm -f missing")
	do(t, "rm -rf tree missing")
	if exists("tree") {
		t.Error("tree is still there")
	}
}

func TestDirectoriesAndLinks(t *testing.T) {
	t.Chdir(t.TempDir())
	do(t, "mkdir -p a/b/c")
	do(t, "mkdir -p a/b/c")
	do(t, "mkdir -m 700 private")
	if info, _ := os.Stat("private"); info.Mode().Perm() != 0o700 {
		t.Errorf("mkdir -m 700 makes %v", info.Mode())
	}
	if _, _, code := run(t, "", "mkdir", "a"); code != 1 {
		t.Error("mkdir of what exists succeeds")
	}
	do(t, "rmdir a/b/c")
	do(t, "touch a/f")
	do(t, "ln a/f a/g")
	var f, g syscall.Stat_t
	if syscall.Stat("a/f", &f) != nil || syscall.Stat("a/g", &g) != nil || f.Ino != g.Ino {
		t.Error("ln makes no hard link")
	}
	do(t, "ln -sf nowhere l")
	do(t, "ln -sfn b l")
	if got := do(t, "readlink l"); got != "b\n" {
		t.Errorf("readlink says %q", got)
	}
	do(t, "touch -d @1000 a/f")
	if info, _ := os.Stat("a/f"); info.ModTime().Unix() != 1000 {
		t.Errorf("touch -d @1000 sets %v", info.ModTime())
	}
	do(t, "touch -c absent")
	if exists("absent") {
		t.Error("touch -c makes a file")
	}
	do(t, "touch a") // a directory, which cannot be opened for writing
}

func TestParseMode(t *testing.T) {
	for _, test := range []struct {
		text      string
		old, want uint32
		dir       bool
	}{
		{"755", 0o644, 0o755, false},
		{"+x", 0o644, 0o755, false},
		{"u+x", 0o644, 0o744, false},
		{"go-rwx", 0o755, 0o700, false},
		{"a=r", 0o755, 0o444, false},
		{"u=rwx,g=rx,o=", 0o666, 0o750, false},
		{"a+X", 0o644, 0o644, false},
		{"a+X", 0o644, 0o755, true},
		{"u+s", 0o755, 0o4755, false},
		{"+t", 0o777, 0o1777, true},
	} {
		change, err := parseMode(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got := change(test.old, test.dir); got != test.want {
			t.Errorf("%s of %o = %o, want %o", test.text, test.old, got, test.want)
		}
	}
	for _, text := range []string{"", "x", "u*x", "8", "77777", "u+q"} {
		if _, err := parseMode(text); err == nil {
			t.Errorf("parseMode(%q) succeeds", text)
		}
	}
}

func TestSmallFormats(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 1023: "1023", 1024: "1.0K", 15 << 20: "15M", 3 << 30: "3.0G"} {
		if got := binarySize(n); got != want {
			t.Errorf("binarySize(%d) = %q, want %q", n, got, want)
		}
	}
	for text, want := range map[string]time.Duration{"2": 2 * time.Second, "0.5": 500 * time.Millisecond, "1m": time.Minute, "1.5h": 90 * time.Minute} {
		if got, err := parseSleep(text); err != nil || got != want {
			t.Errorf("parseSleep(%q) = %v, %v", text, got, err)
		}
	}
	p, err := parseStat("42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 1 0 99 1 1")
	if err != nil || p.pid != 42 || p.ppid != 7 || p.comm != "a (b) c" || p.state != "S" || p.ticks != 175 {
		t.Errorf("parseStat: %+v, %v", p, err)
	}
	if _, err := parseStat("garbage"); err == nil {
		t.Error("parseStat reads garbage")
	}
	for text, want := range map[string]syscall.Signal{"9": 9, "KILL": 9, "SIGTERM": 15, "term": 15, "0": 0} {
		if got, err := parseSignal(text); err != nil || got != want {
			t.Errorf("parseSignal(%q) = %v, %v", text, got, err)
		}
	}
}

// TestProcessList finds this process in what ps prints.
func TestProcessList(t *testing.T) {
	out := do(t, "ps")
	if !strings.HasPrefix(out, "  PID USER") {
		t.Errorf("ps begins with %q", out[:min(40, len(out))])
	}
	want := fmt.Sprintf("%5d %s", os.Getpid(), userName(os.Getuid()))
	if !strings.Contains(out, want) {
		t.Errorf("ps does not show %q", want)
	}
	want = fmt.Sprintf("%5d %d\n", os.Getpid(), os.Getppid())
	if out := do(t, "ps -o pid,ppid"); !strings.Contains(out, want) {
		t.Errorf("ps -o pid,ppid does not show %q:\n%s", want, out)
	}
}
