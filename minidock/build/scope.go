package build

import (
	"cmp"
	"slices"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// Variables come from two places. ENV is part of the image and lasts; it is
// read from the image's configuration. ARG lasts until the end of its stage and
// never reaches the image; it is kept here. Where both know a name, ENV wins.

// scope holds the arguments that ARG instructions have declared so far.
type scope struct {
	args []arg // in the order of their declaration
}

// arg is one of them. ARG without any value declares a name that is not set.
type arg struct {
	name, value string
	set         bool
}

// declare adds an argument. Declaring it again gives it a new value; no value
// takes none away.
func (sc *scope) declare(a arg) {
	for i, old := range sc.args {
		if old.name == a.name {
			if a.set {
				sc.args[i] = a
			}
			return
		}
	}
	sc.args = append(sc.args, a)
}

// lookup returns the value of an argument, and whether it has one.
func (sc scope) lookup(name string) (string, bool) {
	for _, a := range sc.args {
		if a.name == name {
			return a.value, a.set
		}
	}
	return "", false
}

// clone is what a stage FROM another one starts with.
func (sc scope) clone() scope { return scope{args: slices.Clone(sc.args)} }

// export returns the arguments that RUN gets as environment variables, sorted:
// those that have a value and that ENV does not hide.
func (sc scope) export(env []string) []string {
	var out []string
	for _, a := range sc.args {
		if _, hidden := lookupEnv(env, a.name); a.set && !hidden {
			out = append(out, a.name+"="+a.value)
		}
	}
	slices.Sort(out)
	return out
}

// globalArgs evaluates the ARG lines before the first FROM. Their values can be
// used in FROM lines, and in a stage that declares the name again.
func (b *builder) globalArgs() error {
	for _, a := range platformArgs(image.Host(), b.Platform, b.Target) {
		b.globals.declare(a)
	}
	for _, in := range b.File.Args {
		for _, p := range in.Pairs {
			a, err := b.argument(p, b.globals.lookup)
			if err != nil {
				return lineError(in, err)
			}
			b.globals.declare(a)
		}
	}
	return nil
}

// argument is the value of an ARG: --build-arg, else the default that stands
// behind it.
func (b *builder) argument(p dockerfile.Pair, env dockerfile.Env) (arg, error) {
	name, err := dockerfile.Expand(p.Key, env, b.File.Escape)
	if err != nil {
		return arg{}, err
	}
	b.ask(name)
	if v, ok := b.Args[name]; ok {
		return arg{name, v, true}, nil
	}
	v, err := dockerfile.Expand(p.Value, env, b.File.Escape)
	return arg{name, v, p.HasValue}, err
}

// announceArgs reports the global ARG lines, which are steps to those who count.
func (b *builder) announceArgs() {
	for i, in := range b.File.Args {
		n, all := i+1, len(b.File.Args)
		b.Progress.Step(Step{N: n, Total: b.total, Stage: -1, InStage: n, OfStage: all, Text: in.String()})
	}
}

// expandGlobal replaces the variables of a FROM line.
func (b *builder) expandGlobal(word string) (string, error) {
	return dockerfile.Expand(word, b.globals.lookup, b.File.Escape)
}

// env is how the instructions of a stage see variables.
func (s *stage) env(name string) (string, bool) {
	if v, ok := lookupEnv(s.image.Config.Config.Env, name); ok {
		return v, true
	}
	return s.scope.lookup(name)
}

// expand replaces the variables in one word.
func (s *stage) expand(word string) (string, error) {
	return dockerfile.Expand(word, s.env, s.File.Escape)
}

// expandAll replaces the variables in each of the words.
func (s *stage) expandAll(words []string) ([]string, error) {
	out := make([]string, len(words))
	for i, w := range words {
		var err error
		if out[i], err = s.expand(w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// expandPairs replaces the variables in keys and values. All of them see the
// variables as they were before the instruction.
func (s *stage) expandPairs(pairs []dockerfile.Pair) ([]dockerfile.Pair, error) {
	out := slices.Clone(pairs)
	for i, p := range pairs {
		var err error
		if out[i].Key, err = s.expand(p.Key); err != nil {
			return nil, err
		}
		if out[i].Value, err = s.expand(p.Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// lookupEnv finds a variable in an environment, a list of NAME=value.
func lookupEnv(env []string, name string) (string, bool) {
	for _, e := range env {
		if k, v, _ := strings.Cut(e, "="); k == name {
			return v, true
		}
	}
	return "", false
}

// setEnv sets a variable where it stands, or at the end.
func setEnv(env []string, name, value string) []string {
	env = slices.Clone(env)
	for i, e := range env {
		if k, _, _ := strings.Cut(e, "="); k == name {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

// platformArgs are global arguments that need no ARG line: which machine builds, for
// which one, and what.
func platformArgs(build, target oci.Platform, stage string) []arg {
	args := []arg{{"TARGETSTAGE", cmp.Or(stage, "default"), true}}
	for _, side := range []struct {
		name string
		oci.Platform
	}{{"TARGET", target}, {"BUILD", build}} {
		args = append(args,
			arg{side.name + "PLATFORM", side.Platform.String(), true},
			arg{side.name + "OS", side.OS, true},
			arg{side.name + "ARCH", side.Architecture, true},
			arg{side.name + "VARIANT", side.Variant, true})
	}
	return args
}

// isProxy reports whether a --build-arg needs no ARG line: RUN gets these by
// themselves, and they are part of no key, as it does not matter to the result
// which way a download came.
func isProxy(name string) bool {
	switch strings.ToUpper(name) {
	case "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY":
		return name == strings.ToUpper(name) || name == strings.ToLower(name)
	}
	return false
}
