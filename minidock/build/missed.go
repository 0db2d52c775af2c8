package build

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layout"
)

// Why was a step not in the cache? The answer is the difference to the nearest step
// that is. To find that one among thousands of entries there is a list of them, a
// line each, the newest last:
//
//	<root>/cache/index
//	  <key> <where> <hash of the parent> <hash of the instruction> COPY
//
// where is the hash of Options.Project and of the stage: a step of another project, or
// of the stage beside this one, is no earlier version of it.
//
// Nothing else depends on it. It is only ever appended to, without being flushed, and
// a line that is torn or whose entry is gone is passed over.
const indexFile = "index"

// place is what the index knows of a step.
type place struct{ where, parent, instruction, keyword string }

func placeOf(where string, inputs iter.Seq[Input]) (p place) {
	var parent []Input
	p.where = where
	for in := range inputs {
		switch {
		case strings.HasPrefix(in.Name, parentPrefix):
			parent = append(parent, in)
		case in.Name == "instruction":
			p.instruction = string(NewKey([]Input{in})[:16])
			p.keyword, _, _ = strings.Cut(in.Value, " ")
		}
	}
	if len(parent) > 0 {
		p.parent = string(NewKey(parent)[:16])
	}
	return p
}

// list adds steps to the index. Without it a miss has no reason, and all else works.
func (c *cache) list(entries map[Key]entry) {
	f, err := os.OpenFile(filepath.Join(c.dir, indexFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	var b bytes.Buffer
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		p := placeOf(entries[k].where, entries[k].inputs)
		if p.parent == "" {
			continue // the layer of a COPY --link
		}
		fmt.Fprintln(&b, string(k), p.where, p.parent, p.instruction, p.keyword)
	}
	_, _ = f.Write(b.Bytes()) // at once: others may append, too
}

// where is the same for a stage of the same project in every build of it.
func (s *stage) where() string {
	return string(NewKey([]Input{{s.Project, s.stageLabel(s.number)}})[:16])
}

// nearest returns an entry that is as like a step as possible: the same line on the
// same parent, else the same kind of instruction there, else the same line on another
// parent. Of several it is the one from which the fewest inputs differ, of those the
// newest.
func (c *cache) nearest(where string, inputs iter.Seq[Input]) (record, *earlier, bool) {
	text, err := os.ReadFile(filepath.Join(c.dir, indexFile))
	if err != nil {
		return record{}, nil, false
	}
	want := placeOf(where, inputs)
	var found [3][]Key // by likeness
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, []byte(want.where)) {
			continue
		}
		field := strings.Fields(string(line))
		if len(field) != 5 || field[1] != want.where {
			continue
		}
		sameParent, sameLine := field[2] == want.parent, field[3] == want.instruction
		switch {
		case sameParent && sameLine:
			found[0] = append(found[0], Key(field[0]))
		case sameParent && field[4] == want.keyword:
			found[1] = append(found[1], Key(field[0]))
		case sameLine:
			found[2] = append(found[2], Key(field[0]))
		}
	}
	for _, keys := range found {
		if r, old, ok := c.fewestDiffer(keys, inputs); ok {
			return r, old, true
		}
	}
	return record{}, nil, false
}

// maxCompared is how many entries are compared: each may list thousands of files.
const maxCompared = 4

// fewestDiffer chooses among the newest of some entries.
func (c *cache) fewestDiffer(keys []Key, inputs iter.Seq[Input]) (best record, old *earlier, ok bool) {
	fewest, compared := 0, 0
	for _, k := range slices.Backward(keys) {
		was := newEarlier(func(visit func(Input)) error {
			_, err := c.read(k, visit)
			return err
		})
		r, err := c.read(k, was.add)
		if err != nil {
			continue
		}
		if n := was.differing(inputs); !ok || n < fewest {
			best, old, fewest, ok = r, was, n, true
		}
		if compared++; compared == maxCompared {
			break
		}
	}
	return best, old, ok
}

// whyMissed explains a miss. The steps after it have most likely missed because of
// it, and need no other reason.
func (s *stage) whyMissed(ctx context.Context, inputs iter.Seq[Input]) (why string) {
	switch {
	case s.NoCache:
		explain.Step(ctx, "not cached: the cache is not to be used")
		return ""
	case s.missed:
		explain.Step(ctx, "not cached: it comes after a step that was not")
		return ""
	}
	s.missed = true
	if r, old, ok := s.cache.nearest(s.where(), inputs); ok {
		why = s.inWords(difference(old, inputs), r)
	}
	explain.Step(ctx, "not cached: %s", cmp.Or(why, "new, nothing like it is in the cache"))
	return why
}

// inWords tells a difference with what only the stage knows.
func (s *stage) inWords(why string, old record) string {
	switch {
	case why == "changed instruction", why == "changed "+resultInput:
		return "changed instruction, it was " + shortened(old.Text)
	case !strings.HasPrefix(why, "changed "+parentPrefix):
		return why
	case s.done > 2: // FROM is the first
		return "the steps before it have another result"
	case s.from >= 0:
		return "changed stage " + s.stageLabel(s.from)
	}
	return "changed base image " + s.base
}

func shortened(text string) string {
	const most = 80
	text, _, more := strings.Cut(text, "\n")
	if r := []rune(text); len(r) > most {
		text, more = string(r[:most]), true
	}
	if more {
		text += "…"
	}
	return text
}

// earlier is a list of inputs to compare with. There may be a million, so only hashes of
// them are kept. That is as good, for the price of a mistake is a wrong reason.
type earlier struct {
	seed   maphash.Seed
	values map[uint64]uint64             // of their names
	again  func(visit func(Input)) error // goes through the list once more
}

func newEarlier(again func(visit func(Input)) error) *earlier {
	return &earlier{maphash.MakeSeed(), map[uint64]uint64{}, again}
}

func (e *earlier) hash(s string) uint64 { return maphash.String(e.seed, s) }
func (e *earlier) add(in Input)         { e.values[e.hash(in.Name)] = e.hash(in.Value) }

// differing counts the inputs that are not the same in both lists.
func (e *earlier) differing(now iter.Seq[Input]) int {
	same, all := 0, 0
	for in := range now {
		all++
		if v, ok := e.values[e.hash(in.Name)]; ok && v == e.hash(in.Value) {
			same++
		}
	}
	return max(len(e.values), all) - same
}

// left returns the first input that was not deleted from values.
func (e *earlier) left() (name string, ok bool) {
	if len(e.values) == 0 {
		return "", false
	}
	err := e.again(func(in Input) {
		if _, left := e.values[e.hash(in.Name)]; left && !ok {
			name, ok = in.Name, true
		}
	})
	return name, ok && err == nil
}

// difference tells the first input by which a new list differs from an old one, in
// the words of a person: "changed run.sh". It is "" when there is none. The
// parent comes last: what made it another one is often among the rest.
func difference(old *earlier, now iter.Seq[Input]) string {
	parent := ""
	for in := range now {
		v, ok := old.values[old.hash(in.Name)]
		switch changed := v != old.hash(in.Value); {
		case !ok:
			return "new " + words(in.Name)
		case changed && strings.HasPrefix(in.Name, parentPrefix):
			parent = cmp.Or(parent, "changed "+in.Name)
		case changed:
			return "changed " + words(in.Name)
		}
		delete(old.values, old.hash(in.Name))
	}
	if name, ok := old.left(); ok {
		return "removed " + words(name)
	}
	return parent
}

// words is what people call an input: the file run.sh is just run.sh, and variables
// are called by their instruction.
func words(name string) string {
	kind, rest, _ := strings.Cut(name, " ")
	switch kind {
	case "file", "directory", "link":
		return rest
	case "env", "arg", "workdir", "user":
		return strings.TrimSpace(strings.ToUpper(kind) + " " + rest)
	}
	return strings.TrimPrefix(name, "special file ")
}

// Tidy drops lines of the cache's index whose entries are gone. The caller holds the
// exclusive lock of the store.
func Tidy(l *layout.Layout) error {
	c := openCache(l)
	file := filepath.Join(c.dir, indexFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // there is none
	}
	var kept []byte
	for line := range bytes.Lines(text) {
		key, _, _ := strings.Cut(string(line), " ")
		if _, err := os.Stat(filepath.Join(c.dir, filepath.Base(key))); err == nil && line[len(line)-1] == '\n' {
			kept = append(kept, line...)
		}
	}
	switch {
	case len(kept) == 0:
		err = os.Remove(file)
	case len(kept) < len(text):
		err = l.WriteFile(layout.CacheDir+"/"+indexFile, kept)
	}
	if err != nil {
		return fmt.Errorf("tidy build cache: %w", err)
	}
	return nil
}
