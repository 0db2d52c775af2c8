package lint

import (
	"slices"
	"strings"
)

// What is run again too often.
func orderRules() []rule {
	return []rule{
		{Rule{Name: "CopyBeforeInstall", Level: Advice,
			Title: "packages that the file names come before the files of the project",
			Why:   "A build runs again from the first instruction that changed. The files of the project change all day, the names of packages seldom: what comes after COPY is run again each time."}, copyBeforeInstall},
		{Rule{Name: "CopyManifestFirst", Level: Advice,
			Title: "the list of dependencies is copied and installed before the rest",
			Why:   "A build runs again from the first instruction that changed. With only the list copied before it, the installation comes from the cache until the list changes."}, copyManifestFirst},
	}
}

// wholeCopy: COPY . puts every file of the project before all that follows.
func (st *step) wholeCopy() bool {
	return slices.ContainsFunc(st.sources(), isWholeContext)
}

// copyBeforeInstall reports a RUN that only installs. One that builds, too, needs
// the files, and may have to install the compiler in the same layer.
func copyBeforeInstall(f *file, found report) {
	for _, s := range f.stages {
		var copied *step
		for _, st := range s.steps {
			if copied == nil && st.wholeCopy() {
				copied = st
			}
			if copied != nil && onlyInstalls(st) {
				found(at(st.Instruction), "put this RUN before the %s in line %d, which changes more often", copied.Name, copied.Line)
				break
			}
		}
	}
}

func onlyInstalls(st *step) bool {
	installs := false
	for _, c := range st.commands {
		m, ok := managerOf(c)
		switch {
		case ok && c.does(m.install):
			// The package may be a file of the project, or its name be in one.
			if slices.ContainsFunc(c.operands(), func(w string) bool { return strings.ContainsAny(w, "/$`<") }) {
				return false
			}
			installs = true
		case installsNamed(c):
			installs = true
		case !ok && !isHarmless(c.name()):
			return false
		}
	}
	return installs
}

// installsNamed: the tools of a programming language, by name. pip may read the
// names, or the package itself, from a file of the project.
func installsNamed(c command) bool {
	isFile := func(w string) bool { return strings.HasPrefix(w, ".") || strings.ContainsAny(w, "/$`<") }
	switch c.name() {
	case "npm", "pnpm":
		return c.flag("-g", "--global") && c.does([]string{"install", "i", "add"})
	case "yarn":
		return c.verb() == "global" && c.does([]string{"add"})
	}
	return isPipInstall(c) && !c.flag("-r", "--requirement", "-e", "--editable", "-c") && !slices.ContainsFunc(c.operands(), isFile)
}

// installer is a package manager of a programming language, which reads the list
// of packages from a file of the project.
type installer struct{ name, manifest string }

func installerOf(c command) (installer, bool) {
	does := func(verbs ...string) bool { return slices.Contains(verbs, c.verb()) }
	noNames := len(c.operands()) == 1 && !c.flag("-g", "--global")
	switch c.name() {
	case "npm":
		return installer{"npm", "package*.json"}, does("install", "ci", "i") && noNames
	case "pnpm":
		return installer{"pnpm", "package.json and pnpm-lock.yaml"}, does("install", "i") && noNames
	case "bun":
		return installer{"bun", "package.json and bun.lock"}, does("install", "i") && noNames
	case "yarn":
		return installer{"yarn", "package.json and yarn.lock"}, does("install") || len(c.operands()) == 0 && !c.flag("--version", "-v")
	case "bundle":
		return installer{"bundle", "Gemfile*"}, does("install")
	case "composer":
		return installer{"composer", "composer.json and composer.lock"}, does("install")
	case "go":
		return installer{"go mod", "go.mod and go.sum"}, does("mod") && slices.Contains(c.words, "download")
	case "cargo":
		return installer{"cargo", "Cargo.toml and Cargo.lock"}, does("fetch")
	case "poetry":
		return installer{"poetry", "pyproject.toml and poetry.lock"}, does("install")
	case "pipenv":
		return installer{"pipenv", "Pipfile*"}, does("install", "sync")
	}
	return installer{"pip", "requirements.txt"}, isPipInstall(c) && c.flag("-r", "--requirement")
}

// copyManifestFirst is content when the same installer has run before the project
// was copied: then the later run only finds that all is there.
func copyManifestFirst(f *file, found report) {
	for _, s := range f.stages {
		seen := map[string]bool{}
		var copied *step
		for _, st := range s.steps {
			if copied == nil && st.wholeCopy() {
				copied = st
			}
			for _, c := range st.commands {
				i, ok := installerOf(c)
				if ok && !seen[i.name] && copied != nil {
					found(at(st.Instruction), "%s installs again after each change, because of line %d: copy only %s, install, and then copy the rest", i.name, copied.Line, i.manifest)
				}
				seen[i.name] = seen[i.name] || ok
			}
		}
	}
}
