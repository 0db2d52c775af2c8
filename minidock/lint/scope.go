package lint

import (
	"maps"
	"slices"
)

// scope is the variables of a stage. Those of the stage that it is built FROM are
// looked up there, not copied: a file may have many stages.
type scope struct {
	values   map[string]string
	declared map[string]bool // by ARG, perhaps without a value
	outer    *scope
	depth    int // how many are around it
}

// maxDepth bounds the time to look up a variable. What is further out is not known.
const maxDepth = 100

func newScope() *scope {
	return &scope{values: map[string]string{}, declared: map[string]bool{}}
}

// inside is the scope of a stage FROM one with the scope s.
func (s *scope) inside() *scope {
	inner := newScope()
	inner.outer, inner.depth = s, s.depth+1
	return inner
}

// globals are the arguments that each build has, with values that are as good as
// any others.
func globals() *scope {
	s := newScope()
	for _, name := range []string{"TARGET", "BUILD"} {
		maps.Copy(s.values, map[string]string{name + "PLATFORM": "linux/amd64", name + "OS": "linux", name + "ARCH": "amd64", name + "VARIANT": ""})
	}
	s.values["TARGETSTAGE"] = "default"
	for name := range s.values {
		s.declared[name] = true
	}
	return s
}

func (s *scope) value(name string) (value string, ok bool) {
	for ; s != nil; s = s.outer {
		if value, ok = s.values[name]; ok {
			return value, true
		}
	}
	return "", false
}

// has reports whether a variable is declared or has a value.
func (s *scope) has(name string) bool {
	if _, ok := s.value(name); ok {
		return true
	}
	for ; s != nil; s = s.outer {
		if s.declared[name] {
			return true
		}
	}
	return false
}

// names are the variables that somebody may have meant, sorted; none if there
// are too many to look through for each mistake.
func (s *scope) names() []string {
	const many = 1000
	var all []string
	for ; s != nil; s = s.outer {
		if len(all)+len(s.values)+len(s.declared) > many {
			return nil
		}
		all = slices.AppendSeq(all, maps.Keys(s.values))
		all = slices.AppendSeq(all, maps.Keys(s.declared))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
