package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// COPY and ADD.
func copyingRules() []rule {
	return []rule{
		{Rule{Name: "CopyIgnoredFile", Level: Warning, Known: true,
			Title: "COPY takes nothing that .dockerignore leaves out",
			Why:   "What .dockerignore leaves out is not in the context, so the build stops at this line."}, copyIgnored},
		{Rule{Name: "NoDockerignore", Level: Advice,
			Title: "a context that is copied whole has a .dockerignore file",
			Why:   "Everything in the directory goes into the image: .git, local builds, files with passwords. And a change to any of them makes COPY and all that follows run again."}, noDockerignore},
		{Rule{Name: "AddWhereCopyDoes", Level: Advice,
			Title: "COPY for files, ADD for archives and addresses",
			Why:   "ADD unpacks archives and fetches addresses. COPY never does anything but copy, so the reader need not wonder."}, addWhereCopyDoes},
		{Rule{Name: "CopyOnceMore", Level: Advice,
			Title: "owners and modes are set by COPY, not by a later RUN",
			Why:   "A layer holds whole files. Changing the owner or mode of a file in a later RUN stores the file a second time; COPY --chown and --chmod do it at once."}, copyOnceMore},
	}
}

// contextSources calls visit for each path that COPY or ADD takes from the context.
func (f *file) contextSources(visit func(st *step, source string)) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			for _, source := range st.sources() {
				visit(st, source)
			}
		}
	}
}

// sources are the paths that COPY or ADD takes from the context, if their names
// are known.
func (st *step) sources() []string {
	_, from := st.Flag("from")
	if st.Name != "COPY" && st.Name != "ADD" || from || !st.wordsOK {
		return nil
	}
	var all []string
	for _, word := range st.words[:len(st.words)-1] {
		isHeredoc := len(st.Heredocs) > 0 && strings.Contains(word, "<<")
		if !isHeredoc && !isRemote(word) {
			all = append(all, word)
		}
	}
	return all
}

func isRemote(source string) bool {
	for _, prefix := range []string{"http://", "https://", "git@", "git://", "ssh://", "github.com/"} {
		if strings.HasPrefix(source, prefix) {
			return true
		}
	}
	return false
}

// isWholeContext: COPY . /app.
func isWholeContext(source string) bool {
	clean := path.Clean("/" + source)
	return clean == "/" || clean == "/*"
}

func copyIgnored(f *file, found report) {
	if f.opt.Ignored == nil {
		return
	}
	f.contextSources(func(st *step, source string) {
		name := strings.TrimPrefix(path.Clean("/"+source), "/")
		if name != "" && f.opt.Ignored.CanSkip(name) {
			found(at(st.Instruction), "%s %s: .dockerignore leaves it out", st.Name, source)
		}
	})
}

func noDockerignore(f *file, found report) {
	if !f.opt.NoIgnoreFile {
		return
	}
	first := true
	f.contextSources(func(st *step, source string) {
		if isWholeContext(source) && first {
			found(at(st.Instruction), "%s %s takes all files of the directory: list what it need not have in .dockerignore", st.Name, source)
			first = false
		}
	})
}

func addWhereCopyDoes(f *file, found report) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			sources := st.sources()
			if st.Name != "ADD" || len(sources) == 0 || len(sources) != len(st.words)-1 {
				continue
			}
			if !slices.ContainsFunc(sources, mayBeArchive) {
				found(at(st.Instruction), "ADD %s only copies: write COPY", strings.Join(sources, " "))
			}
		}
	}
}

// mayBeArchive: an archive is known by its content, so a name with an unusual
// ending, or with none, may be that of one.
func mayBeArchive(source string) bool {
	if isWholeContext(source) || strings.HasSuffix(source, "/") {
		return false
	}
	base := strings.ToLower(path.Base(source))
	plain := []string{".sh", ".py", ".js", ".ts", ".rb", ".go", ".pl", ".php", ".java", ".c", ".h", ".rs", ".lua", ".sql",
		".txt", ".md", ".json", ".yml", ".yaml", ".toml", ".xml", ".ini", ".conf", ".cfg", ".cnf", ".properties", ".env", ".list", ".repo",
		".html", ".css", ".crt", ".pem", ".key", ".pub", ".jar", ".war", ".service", ".lock", ".mod", ".sum", ".tmpl", ".template", ".dist"}
	if slices.Contains(plain, path.Ext(base)) {
		return false
	}
	known := []string{"package*.json", "requirements*", "gemfile", "gemfile*", "makefile", "dockerfile", "src", "app", "conf", "config", "scripts", "bin"}
	return !slices.Contains(known, base)
}

// copyOnceMore looks for chown and chmod of what an earlier instruction copied.
func copyOnceMore(f *file, found report) {
	f.eachShipped(func(s *stage) {
		made := newMade()
		for _, st := range s.steps {
			made.copied(st)
			for _, c := range st.commands {
				if by, p := made.changed(st, c); by != nil {
					advice := fmt.Sprintf("write %s --%s=%s there", by.Name, c.name(), copyMode(c.operands()[0]))
					if has, ok := by.Flag(c.name()); ok {
						advice = fmt.Sprintf("it has --%s=%s already", c.name(), has)
					}
					found(at(st.Instruction), "%s %s stores the files of line %d once more: %s", c.name(), p, by.Line, advice)
					break
				}
			}
		}
	})
}

// changed returns what copied the files whose owner or mode a command changes.
func (m *made) changed(st *step, c command) (by *step, p string) {
	operands := c.operands()
	if c.name() != "chown" && c.name() != "chmod" || len(operands) < 2 {
		return nil, ""
	}
	recursive := c.flag("-R", "--recursive")
	for _, p := range operands[1:] {
		full := st.resolve(p)
		by, ok := m.by(full)
		onlyDir := ok && !recursive && (m.paths[full] == nil || isWholeContext(by.words[0]))
		if ok && by != st && !onlyDir {
			return by, p
		}
	}
	return nil, ""
}

// copyMode: +x is written as a number, which all builders take.
func copyMode(mode string) string {
	_, added, ok := strings.Cut(mode, "+")
	if ok && strings.Contains(added, "x") && !strings.ContainsAny(added, "stw,") {
		return "755"
	}
	return mode
}

// eachShipped visits the stages whose layers are in the final image. What a
// stage leaves behind from which files are only copied does no harm.
func (f *file) eachShipped(visit func(s *stage)) {
	for _, s := range f.stages {
		if s.shipped {
			visit(s)
		}
	}
}

// made remembers which instruction made a path, in one stage.
type made struct {
	paths map[string]*step
	order []string
}

func newMade() *made { return &made{paths: map[string]*step{}} }

// maxMade bounds the work of by.
const maxMade = 500

func (m *made) add(p string, st *step) {
	if p == "" || p == "/" || len(m.order) == maxMade {
		return
	}
	if _, ok := m.paths[p]; !ok {
		m.order = append(m.order, p)
	}
	m.paths[p] = st
}

// by returns the instruction that made a path, or something below it.
func (m *made) by(p string) (*step, bool) {
	if p == "" || p == "/" {
		return nil, false
	}
	if st, ok := m.paths[p]; ok {
		return st, true
	}
	for _, o := range m.order {
		if strings.HasPrefix(o, p+"/") {
			return m.paths[o], true
		}
	}
	return nil, false
}

// copied adds what COPY and ADD make. A destination without a slash at its end
// may be a file or a directory; then both are added.
func (m *made) copied(st *step) {
	if st.Name != "COPY" && st.Name != "ADD" || !st.wordsOK || len(st.words) < 2 {
		return
	}
	dest := st.words[len(st.words)-1]
	full := st.resolve(dest)
	if full == "" {
		return
	}
	for _, source := range st.words[:len(st.words)-1] {
		base := path.Base(source)
		if base != "." && base != "/" && !strings.ContainsAny(base, "*?[<") {
			m.add(path.Join(full, base), st)
		}
	}
	if !strings.HasSuffix(dest, "/") && dest != "." {
		m.add(full, st)
	} else if st.workdir == full || isWholeContext(st.words[0]) {
		m.add(full, st)
	}
}

// resolve makes a path of an instruction absolute; "" if it is not known.
func (st *step) resolve(p string) string {
	switch {
	case strings.ContainsAny(p, "$`*?[{~"):
		return ""
	case path.IsAbs(p):
		return path.Clean(p)
	case st.workdir == "":
		return ""
	}
	return path.Join(st.workdir, p)
}
