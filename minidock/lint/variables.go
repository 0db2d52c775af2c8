package lint

import (
	"slices"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/reference"
)

// Variables without a value, values that cannot be, and secrets.
func variableRules() []rule {
	return []rule{
		{Rule{Name: "UndefinedVar", Level: Warning, Known: true,
			Title: "variables have a value",
			Why:   "A variable that nobody has set is the empty string, without an error. ARG before the first FROM is for FROM lines only; a stage has to ask for it with an ARG of its own."}, undefinedVar},
		{Rule{Name: "UndefinedArgInFrom", Level: Warning, Known: true,
			Title: "variables in FROM have an ARG before the first FROM",
			Why:   "FROM sees only the arguments that come before the first FROM. Any other variable is empty there."}, undefinedArgInFrom},
		{Rule{Name: "InvalidDefaultArgInFrom", Level: Warning, Known: true,
			Title: "FROM names an image without any --build-arg",
			Why:   "Whoever builds the file as it is gets an error about the name of an image that is not in the file."}, invalidDefaultInFrom},
		{Rule{Name: "SecretsUsedInArgOrEnv", Level: Warning, Known: true,
			Title: "no passwords or keys in ARG and ENV",
			Why:   "ENV is in the image for everybody who has it, and arguments are in its history. A secret that RUN needs comes with RUN --mount=type=secret, and leaves no trace."}, secrets},
		{Rule{Name: "InvalidValue", Level: Error,
			Title: "values can be understood",
			Why:   "The build stops at this line."}, invalidValue},
	}
}

func undefinedVar(f *file, found report) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			for _, u := range st.unset {
				f.reportUndefined(s, u, found)
			}
		}
	}
}

// reportUndefined is silent where the base image may have set the variable.
func (f *file) reportUndefined(s *stage, u use, found report) {
	if f.predefined(u.name) {
		found(u.at, "the builder tells %s only to who asks: write ARG %s after FROM", u.name, u.name)
		return
	}
	if f.global.declared[u.name] {
		found(u.at, "the ARG %s before the first FROM is not seen here: write ARG %s after FROM, too", u.name, u.name)
		return
	}
	if !s.known {
		return
	}
	if meant := dockerfile.Nearest(u.name, s.scope.names()); meant != "" {
		found(u.at, "%s has no value (did you mean %s?)", u.name, meant)
		return
	}
	found(u.at, "%s has no value", u.name)
}

// predefined: the platform arguments are there without an ARG before FROM.
func (f *file) predefined(name string) bool {
	return globals().declared[name] && !slices.ContainsFunc(f.Args, func(in dockerfile.Instruction) bool {
		return slices.ContainsFunc(in.Pairs, func(p dockerfile.Pair) bool { return p.Key == name })
	})
}

func undefinedArgInFrom(f *file, found report) {
	for _, u := range f.from {
		if meant := dockerfile.Nearest(u.name, f.global.names()); meant != "" {
			found(u.at, "FROM uses %s, for which there is no ARG (did you mean %s?)", u.name, meant)
			continue
		}
		found(u.at, "FROM uses %s, for which there is no ARG before the first FROM", u.name)
	}
}

func invalidDefaultInFrom(f *file, found report) {
	defaults := walk(&dockerfile.File{Escape: f.Escape, Args: f.Args, Stages: f.bare()}, Options{})
	for i, s := range defaults.stages {
		if !strings.Contains(s.Base, "$") {
			continue
		}
		if _, err := reference.Parse(s.base); err != nil {
			found(at(f.stages[i].From), "without --build-arg the image is %q, which is no name", s.base)
		}
	}
}

// bare is the stages without their instructions.
func (f *file) bare() []dockerfile.Stage {
	var bare []dockerfile.Stage
	for _, s := range f.File.Stages {
		s.Instructions = nil
		bare = append(bare, s)
	}
	return bare
}

func secrets(f *file, found report) {
	check := func(in dockerfile.Instruction) {
		if in.Name != "ENV" && in.Name != "ARG" {
			return
		}
		for _, p := range in.Pairs {
			if isSecret(p.Key) {
				found(at(in), "%s %s looks like a secret", in.Name, p.Key)
			}
		}
	}
	for _, in := range f.Args {
		check(in)
	}
	f.each(check)
}

// isSecret looks at the words of a name: API_KEY is one, KEYBOARD and
// PUBLIC_KEY are none.
func isSecret(name string) bool {
	words := strings.Split(strings.ToLower(name), "_")
	has := func(list ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	return has("apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token") &&
		!has("public", "file", "version")
}

func invalidValue(f *file, found report) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			if st.failure != "" {
				found(at(st.Instruction), "%s", st.failure)
			}
		}
	}
}
