package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/digest"
)

// steps makes the steps of a build from the sizes of its stages.
func steps(sizes ...int) (all []build.Step) {
	total := 0
	for _, n := range sizes {
		total += n
	}
	for stage, n := range sizes {
		for i := range n {
			all = append(all, build.Step{
				N: len(all) + 1, Total: total, Stage: stage, InStage: i + 1, OfStage: n, Text: fmt.Sprintf("RUN %d", len(all)+1),
			})
		}
	}
	return all
}

// resultOf is a result with a key, since it is not FROM's.
func resultOf(s build.Step) build.Result {
	return build.Result{N: s.N, Total: s.Total, Stage: s.Stage, Text: s.Text, Image: digest.FromBytes(nil), Key: "0123", Duration: 300 * time.Millisecond}
}

// TestPlainOrder lets two stages run at the same time, the later one faster. What is
// printed is in the order of the Dockerfile, and what can be printed is not held back.
func TestPlainOrder(t *testing.T) {
	var out bytes.Buffer
	p := newPlain(&out, false)
	s := steps(2, 2, 1)
	p.Step(s[0])
	second := p.Step(s[2])
	io.WriteString(second, "from 3\n")
	p.Result(resultOf(s[2]))
	p.Result(resultOf(s[0]))
	first := p.Step(s[1])
	io.WriteString(first, "from 2\n")
	if want := "Step 1/5 : RUN 1\n ---> e3b0c44298fc  0.3s\nStep 2/5 : RUN 2\nfrom 2\n"; out.String() != want {
		t.Fatalf("so far %q, want %q", out.String(), want)
	}
	fourth := p.Step(s[3])
	p.Result(resultOf(s[1]))
	io.WriteString(fourth, "from 4\n") // at once, for all before is done
	r := resultOf(s[3])
	r.Cached, r.Warnings = true, []string{"odd"}
	p.Result(r)
	fifth := p.Step(s[4])
	p.Missed(s[4], "changed a") // at once, and not only with the result
	io.WriteString(fifth, "from 5\n")
	r = resultOf(s[4])
	r.Missed, r.Size = "changed a", 1200
	p.Result(r)
	p.End(ending{Image: digest.FromBytes(nil), Names: []string{"app:latest"}})
	want := `Step 1/5 : RUN 1
 ---> e3b0c44298fc  0.3s
Step 2/5 : RUN 2
from 2
 ---> e3b0c44298fc  0.3s
Step 3/5 : RUN 3
from 3
 ---> e3b0c44298fc  0.3s
Step 4/5 : RUN 4
from 4
[Warning] odd
 ---> Using cache
 ---> e3b0c44298fc  CACHED
Step 5/5 : RUN 5
 ---> Not cached: changed a
from 5
 ---> e3b0c44298fc  0.3s  1.2kB
Successfully built e3b0c44298fc
Successfully tagged app:latest
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestPlainFailure fails in the second of three stages while the first still runs: the
// third is not heard of.
func TestPlainFailure(t *testing.T) {
	var out bytes.Buffer
	p := newPlain(&out, false)
	p.Step(build.Step{N: 1, Total: 4, Stage: -1, Text: "ARG a"})
	for i, s := range steps(1, 1, 1) {
		s.N, s.Total = s.N+1, 4
		fmt.Fprintln(p.Step(s), "output", i)
	}
	p.End(ending{Failed: 3, Error: "no"})
	want := `Step 1/4 : ARG a
Step 2/4 : RUN 1
output 0
 ---> Stopped, for step 3 has failed
Step 3/4 : RUN 2
output 1
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// TestPlainMemory holds back more than is kept in memory.
func TestPlainMemory(t *testing.T) {
	var out bytes.Buffer
	p := newPlain(&out, false)
	s := steps(1, 1)
	p.Step(s[0])
	w := p.Step(s[1])
	line := strings.Repeat("x", 99) + "\n"
	for range 3 * spoolMemory / len(line) {
		io.WriteString(w, line)
	}
	if n := p.stages[1].held.memory.Len(); n > spoolMemory {
		t.Errorf("%d bytes in memory", n)
	}
	before := out.Len()
	p.Result(resultOf(s[0]))
	if got, want := out.Len()-before, 3*spoolMemory/len(line)*len(line); got < want {
		t.Errorf("%d bytes came, want %d", got, want)
	}
}

func TestPlainExplain(t *testing.T) {
	var out bytes.Buffer
	p := newPlain(&out, true)
	s := steps(1)[0]
	s.Text += "\x1b[31m"
	p.Step(s)
	r := resultOf(s)
	r.Inputs = slices.Values([]build.Input{{Name: "parent", Value: "sha256:12"}, {Name: "instruction", Value: "RUN a\nb\n"}, {Name: "file x", Value: "\x1b[31m0644"}})
	p.Result(r)
	want := `Step 1/1 : RUN 1
 ---> e3b0c44298fc  0.3s
 ---> Key 0123 of
      parent       sha256:12
      instruction  RUN a
                   b
      file x       0644
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	j := &jsonLines{out: &out}
	s := steps(1, 1)
	s[1].StageName = "last"
	io.WriteString(j.Step(s[0]), "one\ntw")
	io.WriteString(j.lines[1], "o\n<&> \xff")
	r := resultOf(s[0])
	r.Image = "sha256:12"
	j.Result(r)
	io.WriteString(j.Step(s[1]), "why")
	j.End(ending{Failed: 2, Error: "no"})
	want := `{"event":"step","step":1,"total":2,"stage":0,"text":"RUN 1"}
{"event":"output","step":1,"text":"one"}
{"event":"output","step":1,"text":"two"}
{"event":"output","step":1,"text":"<&> \ufffd"}
{"event":"result","step":1,"cached":false,"image":"sha256:12","key":"0123","size":0,"seconds":0.3}
{"event":"step","step":2,"total":2,"stage":1,"name":"last","text":"RUN 2"}
{"event":"output","step":2,"text":"why"}
{"event":"error","step":2,"text":"no"}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 340 * time.Millisecond: "0.3s", 59 * time.Second: "59.0s", 125 * time.Second: "2m05s", 3*time.Hour + time.Second: "180m01s",
	} {
		if got := seconds(d); got != want {
			t.Errorf("seconds(%v) = %s, want %s", d, got, want)
		}
	}
}
