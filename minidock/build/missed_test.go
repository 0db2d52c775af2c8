package build

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"minidock.dev/minidock/layout"
)

// TestMissed builds twice, and looks at the reasons that misses are given: the first of
// a stage, and each that follows a hit.
func TestMissed(t *testing.T) {
	const app = "FROM alpine\nARG VERSION=1\nRUN apk update\nENV MODE=a\nCOPY . /app\nRUN make\n"
	arg := func(v string) func(k *kitchen) {
		return func(k *kitchen) { k.opt.Args = map[string]string{"VERSION": v} }
	}
	for _, c := range []struct {
		name, first, second string
		change              func(k *kitchen)
		want                string // step: reason
	}{
		{"nothing", app, app, nil, ""},
		{"a first build", "", app, nil, ""},
		{"a file", app, app, func(k *kitchen) { k.write("lib/x", "changed") }, "COPY . /app: changed lib/x"},
		{"a new file", app, app, func(k *kitchen) { k.write("lib/y", "") }, "COPY . /app: new lib/y"},
		{"a link", app, app, func(k *kitchen) { k.write("link", "-> lib") }, "COPY . /app: new link"},
		{"a build argument", app, app, arg("2"), "RUN apk update: changed ARG VERSION; RUN make: changed ARG VERSION"},
		{"another default", app, strings.Replace(app, "=1", "=2", 1), nil, "ARG VERSION=2: changed instruction, it was ARG VERSION=1; RUN make: changed ARG VERSION"},
		{"a setting", app, strings.Replace(app, "MODE=a", "MODE=b", 1), nil, "ENV MODE=b: changed instruction, it was ENV MODE=a"},
		{"quotes", "FROM alpine\nENV A=1 B=2\n", "FROM alpine\nENV A=\"1 B=2\"\n", nil, "ENV A=\"1 B=2\": changed instruction, it was ENV A=1 B=2"},
		{"a command", app, strings.Replace(app, "update", "upgrade\\\n -y", 1), nil, "RUN apk upgrade -y: changed instruction, it was RUN apk update"},
		{"a destination", app, strings.Replace(app, "/app", "/srv", 1), nil, "COPY . /srv: changed instruction, it was COPY . /app"},
		{"the environment of the base", "FROM alpine\nRUN x\n", "FROM alpine\nRUN x\n", func(k *kitchen) {
			k.bases["alpine"] = k.bases["other"]
		}, "RUN x: changed ENV PATH"},
		{"the base", app, app, func(k *kitchen) { k.base("alpine", nil, dir("new")) }, "ARG VERSION=1: changed base image alpine"},
		{"another base", "FROM alpine\nRUN x\n", "FROM tool\nRUN x\n", nil, "RUN x: changed base image tool"},
		{"a stage", "FROM alpine AS a\nFROM a\nUSER x\n", "FROM alpine AS a\nRUN y\nFROM a\nUSER x\n", nil, "USER x: changed stage a"},
		{"what comes before", "FROM alpine\nUSER x\nRUN y\n", "FROM alpine\nUSER z\nRUN y\n", func(k *kitchen) {
			k.build("FROM alpine\nUSER z\n")
		}, "RUN y: changed USER"},
		{"the date", app, app, func(k *kitchen) { k.opt.Timestamp = &then }, "ARG VERSION=1: new timestamp"},
		{"something new", app, "FROM tool\nSTOPSIGNAL 9\n", nil, ""},
		{"no cache", app, app, func(k *kitchen) { k.opt.NoCache = true }, ""},
		// The second RUN misses by itself: before it there was a hit.
		{"two misses", "FROM alpine\nRUN nothing 1\nRUN a\nRUN b\n", "FROM alpine\nRUN nothing 2\nRUN a\nRUN c\n", nil,
			"RUN nothing 2: changed instruction, it was RUN nothing 1; RUN c: changed instruction, it was RUN b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := articleKitchen(t)
			k.write("lib/x", "x")
			k.base("tool", nil, dir("tool"))
			k.bases["other"] = k.build("FROM alpine\nENV PATH=/x\n").found()
			if c.first != "" {
				k.build(c.first)
			}
			if c.change != nil {
				c.change(k)
			}
			var got []string
			for _, r := range k.build(c.second).results {
				if r.Missed != "" {
					got = append(got, r.Text+": "+r.Missed)
				}
				if !strings.HasPrefix(r.Text, "FROM") && r.Key != NewKey(slices.Collect(r.Inputs)) {
					t.Errorf("%s: key %s of %v", r.Text, r.Key, slices.Collect(r.Inputs))
				}
			}
			if got := strings.Join(got, "; "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestMissedBeforeWork: whoever waits for a long RUN has heard why it is done.
func TestMissedBeforeWork(t *testing.T) {
	k := articleKitchen(t)
	k.build("FROM alpine\nRUN one\n")
	output := k.build("FROM alpine\nRUN two\n").output.String()
	if want := "Step 2/2 : RUN two\nnot cached: changed instruction, it was RUN one\nrunning two\n"; !strings.HasSuffix(output, want) {
		t.Errorf("got %q, want %q at the end", output, want)
	}
}

// TestNearest: of several earlier builds that one explains a miss from which there is least
// to change, and of those the newest.
func TestNearest(t *testing.T) {
	k := articleKitchen(t)
	const text = "FROM alpine\nCOPY a b c /\n"
	contents := func(a, b, c string) {
		for name, content := range map[string]string{"a": a, "b": b, "c": c} {
			k.write(name, content)
		}
	}
	for _, was := range []string{"112", "122", "223"} {
		contents(was[:1], was[1:2], was[2:])
		k.build(text)
	}
	contents("1", "2", "4") // b has changed since the first one, too, and nearly all since the last
	if got := k.build(text).results[1].Missed; got != "changed c" {
		t.Errorf("got %q", got)
	}
}

// TestIndex: lines that are torn, that lead to nothing, or that are no lines of an
// index are passed over.
func TestIndex(t *testing.T) {
	k := articleKitchen(t)
	o := k.build(article)
	index := filepath.Join(k.layout.Root(), layout.CacheDir, indexFile)
	text, err := os.ReadFile(index)
	if err != nil || strings.Count(string(text), "\n") != 3 {
		t.Fatalf("index %q, %v", text, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	where := strings.Fields(line)[1]
	gone := strings.Repeat("0", 64) + line[64:] + "\n"
	for _, more := range []string{gone, gone[:len(gone)/2], "\n\n", "\x00\x00\n", strings.Repeat("x ", 100)} {
		if err := os.WriteFile(index, append(slices.Clone(text), more...), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, r := range o.results[1:] {
			if near, _, ok := openCache(k.layout).nearest(where, r.Inputs); !ok || near.Text != r.Text {
				t.Errorf("after %q: near %s is %q, %t", more, r.Text, near.Text, ok)
			}
		}
	}
	if err := os.WriteFile(index, []byte(string(text)+gone+"torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Tidy(k.layout); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(index); string(got) != string(text) || err != nil {
		t.Errorf("tidied: %q, %v, want %q", got, err, text)
	}
}

// BenchmarkMiss looks for the nearest of ten thousand entries.
func BenchmarkMiss(b *testing.B) {
	k := articleKitchen(b)
	c := openCache(k.layout)
	inputs := func(n int) []Input {
		return []Input{{"parent layers", "x"}, {"parent config", "x"}, {"instruction", "RUN " + time.Duration(n).String()}}
	}
	for n := range 10 {
		u := unwritten{}
		for m := range 1000 {
			in := inputs(n*1000 + m)
			u.remember(NewKey(in), entry{record{}, "here", slices.Values(in)})
		}
		if err := u.write(context.Background(), c); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, _, ok := c.nearest("here", slices.Values(inputs(-1))); !ok {
			b.Fatal("nothing is near")
		}
	}
}
