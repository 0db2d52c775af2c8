package lint

import (
	"maps"
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/reference"
)

// file is a Dockerfile with what can be known about it without building it.
type file struct {
	*dockerfile.File
	opt    Options
	global *scope // ARG before FROM
	from   []use  // variables in FROM lines that have no value
	stages []*stage
	byName map[string]*stage
}

// stage is one stage.
type stage struct {
	dockerfile.Stage
	base       string   // with the values of variables
	baseOK     bool     // all of them had one
	parent     *stage   // that it is built FROM, or nil
	known      bool     // it is known which variables the base image sets
	shipped    bool     // it is part of the image that the whole file makes
	hasWorkdir bool     // it or a parent has a WORKDIR
	workdir    string   // at its end; "" if there is no WORKDIR with a known path
	shell      []string // of the last SHELL; nil if there is none
	scope      *scope
	steps      []*step
}

// step is an instruction of a stage.
type step struct {
	dockerfile.Instruction
	words    []string // the arguments of ADD, COPY, EXPOSE, USER, VOLUME and WORKDIR, with values
	wordsOK  bool     // all variables in them had one
	unset    []use
	failure  string    // what the builder will say
	commands []command // of RUN
	workdir  string    // before it
	shell    []string  // of the last SHELL before it
}

// use is a variable that has no value where it is used.
type use struct {
	name string
	at   lines
}

// walk reads the file from top to bottom, as a builder does.
func walk(parsed *dockerfile.File, opt Options) *file {
	f := &file{File: parsed, opt: opt, global: globals(), byName: map[string]*stage{}}
	for _, in := range parsed.Args {
		e := expander{f: f, scope: f.global, in: in}
		e.declare(in.Pairs)
		f.from = append(f.from, e.unset...)
	}
	for i := range parsed.Stages {
		s := f.walkStage(parsed.Stages[i])
		f.stages = append(f.stages, s)
		if s.Name != "" {
			f.byName[s.Name] = s
		}
	}
	for s := f.stages[len(f.stages)-1]; s != nil; s = s.parent {
		s.shipped = true
	}
	return f
}

func (f *file) walkStage(parsed dockerfile.Stage) *stage {
	s := &stage{Stage: parsed}
	e := expander{f: f, scope: f.global, in: parsed.From}
	s.base, s.baseOK = e.word(parsed.Base)
	e.word(parsed.Platform)
	f.from = append(f.from, e.unset...)
	s.parent = f.byName[strings.ToLower(s.base)]
	if p := s.parent; p != nil {
		s.scope, s.known, s.workdir, s.hasWorkdir, s.shell = p.scope.inside(), p.known, p.workdir, p.hasWorkdir, p.shell
		if p.scope.depth == maxDepth {
			s.scope, s.known = newScope(), false
		}
	} else {
		s.scope = newScope()
		s.known = f.baseEnv(s)
	}
	s.scope.values["PATH"] = "/bin" // the builder gives it to every image that has none
	for _, in := range parsed.Instructions {
		s.steps = append(s.steps, f.walkStep(s, in))
	}
	return s
}

// baseEnv sets the variables of the base image, if they are known.
func (f *file) baseEnv(s *stage) bool {
	if s.base == "scratch" {
		return true
	}
	if f.opt.BaseEnv != nil && s.baseOK {
		if env, ok := f.opt.BaseEnv(s.base); ok {
			for _, e := range env {
				name, value, _ := strings.Cut(e, "=")
				s.scope.values[name] = value
			}
			return true
		}
	}
	// These set PATH and nothing else, in all of their versions.
	r, err := reference.Parse(s.base)
	return err == nil && slices.Contains([]string{"alpine", "busybox", "debian", "ubuntu"}, r.FamiliarName())
}

func (f *file) walkStep(s *stage, in dockerfile.Instruction) *step {
	st := &step{Instruction: in, workdir: s.workdir, shell: s.shell}
	e := expander{f: f, scope: s.scope, in: in}
	switch in.Name {
	case "ARG":
		e.declare(in.Pairs)
	case "ENV":
		e.set(in.Pairs)
	case "LABEL":
		e.pairs(in.Pairs)
	case "ADD", "COPY", "EXPOSE", "USER", "VOLUME", "WORKDIR", "STOPSIGNAL":
		st.words, st.wordsOK = e.words(in)
	case "SHELL":
		s.shell = in.Args
	case "RUN":
		e.mounts(in)
		if !s.otherShell() {
			st.commands = commandsOf(in)
		}
	}
	st.unset, st.failure = e.unset, e.failure
	if in.Name == "WORKDIR" {
		s.workdir, s.hasWorkdir = joinWorkdir(s.workdir, st), true
	}
	return st
}

func joinWorkdir(old string, st *step) string {
	switch {
	case !st.wordsOK || len(st.words) != 1:
		return ""
	case path.IsAbs(st.words[0]):
		return path.Clean(st.words[0])
	case old == "":
		return ""
	}
	return path.Join(old, st.words[0])
}

// otherShell: in the language of PowerShell or cmd there is nothing to find.
func (s *stage) otherShell() bool {
	return len(s.shell) > 0 && !isShell(path.Base(s.shell[0]))
}

// sets reports whether the stage or a parent has a variable.
func (s *stage) sets(name string) bool {
	return s.scope.has(name)
}

// expander expands the words of one instruction.
type expander struct {
	f       *file
	scope   *scope
	in      dockerfile.Instruction
	unset   []use
	failure string
}

// word returns a word with its values, and whether each of its variables has one.
func (e *expander) word(text string) (value string, ok bool) {
	ok = true
	value, err := dockerfile.Expand(text, e.env(text, &ok), e.f.Escape)
	if err != nil && ok && e.failure == "" {
		e.failure = err.Error()
	}
	return value, ok && err == nil
}

// env looks variables up, and notes those that have no value.
func (e *expander) env(text string, ok *bool) dockerfile.Env {
	return func(name string) (string, bool) {
		value, set := e.scope.value(name)
		if !set {
			*ok = false
			if !guarded(text, name) {
				e.missing(name)
			}
		}
		return value, set
	}
}

// guarded: ${name:-word} and the like say what to do without a value.
func guarded(text, name string) bool {
	for _, operator := range []string{":", "-", "+", "?"} {
		if strings.Contains(text, "${"+name+operator) {
			return true
		}
	}
	return false
}

// missing notes a variable that is used and not even declared. The special
// parameters of a shell ($1, $@) are no variables.
func (e *expander) missing(name string) {
	special := strings.Trim(name, "0123456789@*#?-$!") == ""
	if special || e.scope.has(name) || name == "SOURCE_DATE_EPOCH" {
		return
	}
	if u := (use{name, at(e.in)}); !slices.Contains(e.unset, u) {
		e.unset = append(e.unset, u)
	}
}

func (e *expander) words(in dockerfile.Instruction) (all []string, ok bool) {
	ok = true
	for _, arg := range in.Args {
		value, known := e.word(arg)
		all, ok = append(all, value), ok && known
	}
	for _, h := range in.Heredocs {
		h.Expanded(e.env(h.Content, new(bool))) // for the variables in it; a mistake is the builder's
	}
	for _, flag := range in.Flags {
		if flag.Name != "from" {
			e.word(flag.Value)
		}
	}
	return all, ok
}

func (e *expander) pairs(pairs []dockerfile.Pair) {
	for _, p := range pairs {
		e.word(p.Key)
		e.word(p.Value)
	}
}

// set gives ENV's variables their values, all at once: ENV a=1 b=$a uses the old a.
func (e *expander) set(pairs []dockerfile.Pair) {
	values := map[string]string{}
	for _, p := range pairs {
		key, _ := e.word(p.Key)
		values[key], _ = e.word(p.Value)
	}
	maps.Copy(e.scope.values, values)
}

// declare is ARG: a value of the command line, or the default, or in a stage the
// value of the global argument.
func (e *expander) declare(pairs []dockerfile.Pair) {
	for _, p := range pairs {
		name, _ := e.word(p.Key)
		value, set := e.f.opt.Args[name]
		if !set && p.HasValue {
			value, set = e.word(p.Value)
		}
		if global, ok := e.f.global.value(name); !set && !p.HasValue && ok {
			value, set = global, true
		}
		if set {
			e.scope.values[name] = value
		}
		e.scope.declared[name] = true
	}
}

// mounts looks at the values of RUN --mount.
func (e *expander) mounts(in dockerfile.Instruction) {
	for _, value := range in.FlagValues("mount") {
		complete := true
		_, err := dockerfile.ParseMount(value, func(s string) (string, error) {
			s, ok := e.word(s)
			complete = complete && ok
			return s, nil
		})
		if err != nil && complete && e.failure == "" {
			e.failure = err.Error()
		}
	}
}
