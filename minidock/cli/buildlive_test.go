package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
)

// A screen is as much of a terminal as the live display uses: it does what is written
// to it, and shows what is left.
type screen struct {
	t          *testing.T
	wide, high int
	rows       [][]rune
	row, col   int
}

func (s *screen) Write(p []byte) (int, error) {
	for rest := string(p); rest != ""; {
		if n := 0; rest[0] == '\x1b' {
			if n = escape(rest); n > 0 {
				s.control(rest[:n])
				rest = rest[n:]
				continue
			}
		}
		r := []rune(rest)[0]
		rest = rest[len(string(r)):]
		s.put(r)
	}
	return len(p), nil
}

func (s *screen) put(r rune) {
	switch r {
	case '\n':
		s.row, s.col = s.row+1, 0
		return
	case '\r':
		s.col = 0
		return
	}
	if s.col+runeColumns(r) > s.wide {
		s.row, s.col = s.row+1, 0
	}
	s.line()
	for len(s.rows[s.row]) <= s.col {
		s.rows[s.row] = append(s.rows[s.row], ' ')
	}
	s.rows[s.row][s.col] = r
	s.col++
	if runeColumns(r) == 2 { // it takes the next place, too
		s.rows[s.row] = append(s.rows[s.row][:s.col], 0)
		s.col++
	}
}

// line makes sure that the row is there.
func (s *screen) line() {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, nil)
	}
}

func (s *screen) control(sequence string) {
	s.line()
	switch n, _ := strconv.Atoi(strings.Trim(sequence, "\x1b[A")); {
	case strings.HasSuffix(sequence, "A"):
		if s.row-n < len(s.rows)-s.high {
			s.t.Errorf("the cursor goes %d up from row %d, out of a screen of %d", n, s.row, s.high)
		}
		s.row -= n
	case sequence == "\x1b[K":
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
	case sequence == "\x1b[J":
		s.rows = s.rows[:s.row+1]
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
	default:
		s.t.Errorf("unexpected control sequence %q", sequence)
	}
}

func (s *screen) String() string {
	var out strings.Builder
	for _, row := range s.rows {
		fmt.Fprintln(&out, strings.TrimRight(strings.ReplaceAll(string(row), "\x00", ""), " "))
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// newLive returns a live display on a screen, with a clock that stands still.
func newLive(t *testing.T, wide, high int) (*live, *screen, *time.Time) {
	s := &screen{t: t, wide: wide, high: high}
	clock := time.Unix(0, 0)
	return &live{
		out: s, size: func() (int, int) { return s.wide, s.high }, now: func() time.Time { return clock },
		paint: palette(false), stop: make(chan struct{}),
	}, s, &clock
}

func wantScreen(t *testing.T, s *screen, want string) {
	t.Helper()
	if got := s.String(); got != want {
		t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
	}
}

func TestLive(t *testing.T) {
	l, screen, clock := newLive(t, 60, 24)
	s := steps(3, 2)
	s[0].StageName, s[1].StageName, s[2].StageName = "builder", "builder", "builder"
	s[0].Text = "FROM tiny AS builder"
	l.Step(s[0])
	r := resultOf(s[0])
	r.Duration = 0
	l.Result(r)
	l.Step(s[1])
	r = resultOf(s[1])
	r.Cached = true
	l.Result(r)
	s[2].Text = "RUN make all of it and install what came out of that somewhere"
	make := l.Step(s[2])
	apk := l.Step(s[3])
	fmt.Fprint(make, "cc main.c\n\n\x1b[31mwarning:\x1b[0m \x07unused\n 10%\r 20%")
	fmt.Fprintln(apk, strings.Repeat("漢字", 40))
	*clock = clock.Add(time.Second)
	l.draw()
	io.WriteString(screen, "^C")
	*clock = clock.Add(1100 * time.Millisecond)
	l.Missed(s[2], "changed main.c")
	l.draw()
	wantScreen(t, screen, `✓ [builder 1/3] FROM tiny AS builder          0.0s
✓ [builder 2/3] RUN 2                       CACHED
⠋ [builder 3/3] RUN make all of it and in…    2.1s
    not cached: changed main.c
    cc main.c
    warning: unused
     20%
⠋ [stage-1 1/2] RUN 4                         2.1s
    漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢…
`)
	r = resultOf(s[2])
	r.Size, r.Missed, r.Warnings = 1200000, "changed main.c", []string{"odd"}
	l.Result(r)
	l.draw()
	wantScreen(t, screen, `✓ [builder 1/3] FROM tiny AS builder          0.0s
✓ [builder 2/3] RUN 2                       CACHED
✓ [builder 3/3] RUN make all of it and in…    0.3s   +1.2MB
    not cached: changed main.c
    warning: odd
⠋ [stage-1 1/2] RUN 4                         2.1s
    漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢…
`)
	l.Result(resultOf(s[3]))
	l.Step(s[4])
	l.Result(resultOf(s[4]))
	l.End(ending{Image: digest.FromBytes(nil), Names: []string{"app:latest"}})
	wantScreen(t, screen, `✓ [builder 1/3] FROM tiny AS builder          0.0s
✓ [builder 2/3] RUN 2                       CACHED
✓ [builder 3/3] RUN make all of it and in…    0.3s   +1.2MB
    not cached: changed main.c
    warning: odd
✓ [stage-1 1/2] RUN 4                         0.3s
✓ [stage-1 2/2] RUN 5                         0.3s
Successfully built e3b0c44298fc
Successfully tagged app:latest
`)
}

// TestLiveFailure shows all that the failed step has printed, and stops the others.
func TestLiveFailure(t *testing.T) {
	l, screen, clock := newLive(t, 50, 24)
	s := steps(1, 1)
	l.Step(s[0])
	w := l.Step(s[1])
	for i := range 9 {
		fmt.Fprintf(w, "line %d\x1b[2J\n", i)
	}
	io.WriteString(w, "the end")
	l.Missed(s[1], "changed a")
	*clock = clock.Add(time.Second)
	l.draw()
	l.End(ending{Failed: 2, Error: "no"})
	wantScreen(t, screen, `- [stage-0 1/1] RUN 1                     stopped
✗ [stage-1 1/1] RUN 2                        1.0s
    not cached: changed a
line 0
line 1
line 2
line 3
line 4
line 5
line 6
line 7
line 8
the end
`)
}

// TestLiveSmall has more steps than rows, then a terminal that becomes narrower between
// two frames, which wraps what was drawn.
func TestLiveSmall(t *testing.T) {
	l, screen, _ := newLive(t, 40, 5)
	var all []build.Step
	for i, s := range steps(1, 1, 1, 1, 1, 1) {
		fmt.Fprintln(l.Step(s), "output", i)
		all = append(all, s)
	}
	l.draw()
	wantScreen(t, screen, `⠋ [stage-0 1/1] RUN 1              0.0s
⠋ [stage-1 1/1] RUN 2              0.0s
⠋ [stage-2 1/1] RUN 3              0.0s
  … and 3 more
`)
	for _, s := range all[:4] {
		l.Result(resultOf(s))
	}
	l.draw()
	wantScreen(t, screen, `✓ [stage-0 1/1] RUN 1              0.3s
✓ [stage-1 1/1] RUN 2              0.3s
✓ [stage-2 1/1] RUN 3              0.3s
✓ [stage-3 1/1] RUN 4              0.3s
⠋ [stage-4 1/1] RUN 5              0.0s
    output 4
⠋ [stage-5 1/1] RUN 6              0.0s
    output 5
`)
	for _, s := range all[4:] {
		l.Result(resultOf(s))
	}
	l.End(ending{Image: digest.FromBytes(nil)})
	if got := strings.Count(screen.String(), "\n"); got != 7 {
		t.Errorf("%d lines are left:\n%s", got, screen)
	}
}

// TestLiveHeight counts the rows of what was drawn when the terminal was wider.
func TestLiveHeight(t *testing.T) {
	l := &live{drawn: []int{0, 10, 11, 30}}
	for wide, want := range map[int]int{80: 4, 10: 7, 30: 4, 15: 5} {
		if got := l.height(wide); got != want {
			t.Errorf("at %d columns: %d rows, want %d", wide, got, want)
		}
	}
}

func TestNeutral(t *testing.T) {
	for line, want := range map[string]string{
		"plain text":                     "plain text",
		"a\tb":                           "a    b",
		"\x1b[1;31mred\x1b[0m":           "red",
		"10%\r50%\r100%\r\r":             "100%",
		"\x1b]0;title\x07x":              "x",
		"\x1b]8;;http://a\x1b\\x":        "x",
		"\x1b(Bx\x1b7\x1b=y":             "xy",
		"bell\x07 back\b\x7f":            "bell back",
		"c1 \u009b31m":                   "c1 31m",
		"turned \u202eabc\u2066\u2029":   "turned abc",
		"cut \x1b[12":                    "cut ",
		"cut \x1b":                       "cut ",
		"not UTF-8 \xff":                 "not UTF-8 \ufffd",
		"\x1b[?25l\x1b[2J\x1b[10;1Hhome": "home",
		"漢字 ünïcode":                     "漢字 ünïcode",
		"":                               "",
	} {
		if got := neutral(line); got != want {
			t.Errorf("neutral(%q) = %q, want %q", line, got, want)
		}
	}
}

// FuzzNeutral looks for a line that gets past it with something that does more than
// take a place on the screen.
func FuzzNeutral(f *testing.F) {
	for _, seed := range []string{"a\x1b[31mb", "\x1b]0;t\x1b\\x", "\u009b1A", "\r\r", "\x1b\x1b[A", "\xff\x1b[K"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := neutral(line)
		for _, r := range got {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e {
				t.Errorf("neutral(%q) = %q", line, got)
			}
		}
		if again := neutral(got); again != got {
			t.Errorf("neutral(%q) = %q, of which it makes %q", line, got, again)
		}
	})
}

func TestNeutralizer(t *testing.T) {
	var out strings.Builder
	n := &neutralizer{out: &out}
	for _, part := range []string{"a\x1b[3", "1mb\n", "\n", "end"} {
		if _, err := io.WriteString(n, part); err != nil {
			t.Fatal(err)
		}
	}
	n.Close()
	if want := "ab\n\nend\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
