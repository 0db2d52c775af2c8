package lint

import (
	"path"
	"slices"
	"strings"
)

// What stays behind in a layer.
func cleanupRules() []rule {
	return []rule{
		{Rule{Name: "PackageCacheLeft", Level: Advice,
			Title: "the RUN that installs packages cleans up after them",
			Why:   "Lists and archives of packages are only needed while they are installed. What a RUN leaves behind is in its layer for ever; a later RUN can hide it and not remove it."}, packageCacheLeft},
		{Rule{Name: "PipCacheLeft", Level: Advice,
			Title: "pip installs with --no-cache-dir",
			Why:   "pip keeps a copy of everything that it fetches, for the next time. In an image there is no next time, only a larger layer."}, pipCacheLeft},
		{Rule{Name: "RemovedTooLate", Level: Advice,
			Title: "files are removed in the RUN that made them",
			Why:   "A layer is never changed. Removing a file of an earlier layer only notes that it is gone: the image is as large as before. Make and remove it in one RUN, or use two stages."}, removedTooLate},
		{Rule{Name: "UpdateAlone", Level: Advice,
			Title: "the lists of packages are fetched in the RUN that installs",
			Why:   "A RUN of its own comes from the cache for months, while the RUN that installs changes: it then asks for versions that are no longer there."}, updateAlone},
	}
}

func packageCacheLeft(f *file, found report) {
	f.eachShipped(func(s *stage) {
		for _, st := range s.steps {
			for _, m := range st.managers() {
				if c, ok := m.leftBy(st); ok {
					found(at(st.Instruction), "%s leaves its lists of packages in this layer: %s", c.name(), m.advice)
				}
			}
		}
	})
}

// leftBy returns the command of a RUN that fills the caches of a manager, if no
// later one empties them.
func (m manager) leftBy(st *step) (filled command, ok bool) {
	for _, c := range st.commands {
		switch {
		case m.leaves(c):
			filled, ok = c, true
		case m.cleans(c):
			ok = false
		}
	}
	return filled, ok && !st.mountsOver(m.caches...)
}

func pipCacheLeft(f *file, found report) {
	f.eachShipped(func(s *stage) {
		if s.sets("PIP_NO_CACHE_DIR") || s.sets("PIP_CACHE_DIR") {
			return
		}
		for _, st := range s.steps {
			left := false
			for _, c := range st.commands {
				switch {
				case isPipInstall(c) && !avoidsCache(c):
					left = true
				case c.name() == "rm" && strings.Contains(c.text(), ".cache"), strings.Contains(c.text(), "cache purge"):
					left = false
				}
			}
			if left && !st.mountsOver("/root/.cache/pip", "/home") {
				found(at(st.Instruction), "pip leaves what it fetched in the cache of the user: write pip install --no-cache-dir")
			}
		}
	})
}

// isPipInstall: pip, pip3, pip3.12, python3 -m pip.
func isPipInstall(c command) bool {
	words := c.words
	if strings.HasPrefix(c.name(), "python") && len(words) > 3 && words[1] == "-m" {
		words = words[2:]
	}
	version, ok := strings.CutPrefix(path.Base(words[0]), "pip")
	return ok && strings.Trim(version, "0123456789.") == "" && slices.Contains(words, "install")
}

func avoidsCache(c command) bool {
	return slices.ContainsFunc(slices.Concat(c.words, c.before), func(w string) bool {
		return strings.HasPrefix(w, "--no-cache") || strings.HasPrefix(w, "--cache-dir") || strings.HasPrefix(w, "PIP_")
	})
}

// removedTooLate follows which instruction made which path, and which RUN
// removes it.
func removedTooLate(f *file, found report) {
	f.eachShipped(func(s *stage) {
		made := newMade()
		for _, st := range s.steps {
			if by, text := made.removedBy(st); by != nil {
				found(at(st.Instruction), "%s only hides what the %s in line %d has put into its layer", text, by.Name, by.Line)
			}
			made.copied(st)
			made.filled(st)
			for _, m := range st.managers() {
				if _, ok := m.leftBy(st); ok {
					made.add(m.caches[0], st)
				}
			}
		}
	})
}

// removedBy returns the earlier instruction whose files a RUN removes, and the
// command that does it.
func (m *made) removedBy(st *step) (by *step, text string) {
	cwd := *st
	for _, c := range st.commands {
		cwd.follow(c)
		if c.name() == "rm" && !c.guarded {
			for _, p := range c.operands() {
				p = strings.TrimSuffix(strings.TrimSuffix(p, "*"), "/")
				if by, ok := m.by(cwd.resolve(p)); ok && by != st && !st.fillsAgain(cwd.resolve(p)) {
					return by, "rm " + p
				}
			}
		}
		manager, ok := managerOf(c)
		if ok && manager.cleans(c) && !st.fillsAgain(manager.caches[0]) {
			if by := m.paths[manager.caches[0]]; by != nil {
				return by, c.text()
			}
		}
	}
	return nil, ""
}

// fillsAgain: a RUN that installs removes the lists of its own, too.
func (st *step) fillsAgain(dir string) bool {
	return slices.ContainsFunc(st.commands, func(c command) bool {
		m, ok := managerOf(c)
		return ok && m.leaves(c) && strings.HasPrefix(dir, m.caches[len(m.caches)-1])
	})
}

// follow changes the directory as cd does.
func (st *step) follow(c command) {
	if c.name() == "cd" && len(c.words) > 1 {
		st.workdir = st.resolve(c.words[1])
	}
}

// filled adds the files that curl, wget and git clone make in a RUN, and directories,
// unless the RUN removes or moves them itself.
func (m *made) filled(st *step) {
	cwd := *st
	var paths []string
	for _, c := range st.commands {
		cwd.follow(c)
		switch c.name() {
		case "rm", "mv":
			paths = slices.DeleteFunc(paths, func(p string) bool { return c.mentions(p, &cwd) })
		default:
			if t := target(c); t != "" {
				paths = append(paths, cwd.resolve(t))
			}
		}
	}
	for _, p := range paths {
		m.add(p, st)
	}
}

// mentions reports whether a path, or one above it, is among the operands. One
// that is not known may be it.
func (c command) mentions(p string, cwd *step) bool {
	return slices.ContainsFunc(c.operands(), func(o string) bool {
		full := cwd.resolve(strings.TrimSuffix(o, "/*"))
		return full == "" || p == full || strings.HasPrefix(p, full+"/")
	})
}

// target is the file or directory that a command makes, or "".
func target(c command) string {
	operands := c.operands()
	if len(operands) == 0 {
		return ""
	}
	last := operands[len(operands)-1]
	switch c.name() {
	case "mkdir":
		return last
	case "curl":
		return c.after("-o", "--output")
	case "wget":
		if c.after("-P", "--directory-prefix") != "" || c.flag("-O", "-i", "--input-file") && c.after("-O") == "" {
			return ""
		}
		if to := c.after("-O", "--output-document"); to != "" {
			return to
		}
		if strings.Contains(last, "://") && !strings.ContainsAny(last, "?#$") {
			return path.Base(last)
		}
	case "git":
		if operands[0] == "clone" && len(operands) == 3 && strings.Contains(operands[1], "://") {
			return last
		}
	}
	return ""
}

// after is the argument behind one of some flags, of which -o may be written -sSLo;
// "-" is standard output.
func (c command) after(flags ...string) string {
	for i, w := range c.words[:len(c.words)-1] {
		is := func(f string) bool {
			letters := len(f) == 2 && len(w) > 2 && w[0] == '-' && w[1] != '-'
			return w == f || letters && strings.HasSuffix(w, f[1:])
		}
		if slices.ContainsFunc(flags, is) && c.words[i+1] != "-" {
			return c.words[i+1]
		}
	}
	return ""
}

// updateAlone: a RUN that does more than fetch lists may have its reasons.
func updateAlone(f *file, found report) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			c, m, ok := loneUpdate(st)
			if ok && !st.mountsOver(m.caches...) {
				found(at(st.Instruction), "%s is in a RUN of its own: put it into the RUN that installs", c.text())
			}
		}
	}
}

func loneUpdate(st *step) (update command, m manager, ok bool) {
	for _, c := range st.commands {
		found, isManager := managerOf(c)
		switch {
		case isManager && c.does(found.update):
			update, m, ok = c, found, true
		case !isHarmless(c.name()):
			return command{}, manager{}, false
		}
	}
	return update, m, ok
}
