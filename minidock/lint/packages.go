package lint

import (
	"slices"
	"strings"
)

// manager is a package manager of a distribution, and what it leaves behind.
type manager struct {
	name    string   // one of its names
	install []string // verbs
	update  []string // verbs that fetch the lists of packages
	upgrade []string // other verbs that need the lists
	caches  []string // directories; the first is the one to remove
	clean   []string // verbs that empty them
	yes     []string // flags by which it does not ask
	advice  string   // what to write
}

// managerOf is the table of them.
func managerOf(c command) (manager, bool) {
	switch c.name() {
	case "apt-get", "apt", "aptitude":
		return manager{name: "apt-get", install: []string{"install", "build-dep", "satisfy"}, update: []string{"update"},
			upgrade: []string{"upgrade", "dist-upgrade", "full-upgrade", "download", "source"},
			caches:  []string{"/var/lib/apt/lists", "/var/lib/apt"}, clean: []string{"dist-clean", "distclean"},
			yes:    []string{"-y", "--yes", "--assume-yes", "-qq", "--force-yes"},
			advice: "end this RUN with rm -rf /var/lib/apt/lists/*"}, true
	case "apk":
		return manager{name: "apk", install: []string{"add"}, update: []string{"update"}, upgrade: []string{"upgrade", "fix", "fetch"},
			caches: []string{"/var/cache/apk", "/etc/apk/cache"}, clean: []string{"clean"},
			advice: "write apk add --no-cache"}, true
	case "yum", "dnf", "microdnf":
		return manager{name: "yum", install: []string{"install", "groupinstall", "localinstall", "reinstall"},
			update: []string{"makecache", "check-update"}, upgrade: []string{"update", "upgrade", "distro-sync"},
			caches: []string{"/var/cache/yum", "/var/cache/dnf", "/var/cache"}, clean: []string{"clean"}, yes: []string{"-y", "--assumeyes"},
			advice: "end this RUN with its command clean all"}, true
	case "zypper":
		return manager{name: "zypper", install: []string{"install", "in"}, update: []string{"refresh", "ref"},
			upgrade: []string{"update", "up", "dup", "dist-upgrade", "patch"},
			caches:  []string{"/var/cache/zypp"}, clean: []string{"clean", "cc"}, yes: []string{"-n", "--non-interactive", "-y", "--no-confirm"},
			advice: "end this RUN with zypper clean --all"}, true
	}
	return manager{}, false
}

// managers are those that a RUN calls.
func (st *step) managers() []manager {
	var all []manager
	for _, c := range st.commands {
		m, ok := managerOf(c)
		if ok && !slices.ContainsFunc(all, func(o manager) bool { return o.name == m.name }) {
			all = append(all, m)
		}
	}
	return all
}

// is reports whether a command is one of this manager, under any of its names.
func (m manager) is(c command) bool {
	other, ok := managerOf(c)
	return ok && other.name == m.name
}

// does reports whether a command has one of some verbs. Flags with values of
// their own may come before it: "apt-get -t sid install".
func (c command) does(verbs []string) bool {
	return slices.ContainsFunc(c.words[1:], func(w string) bool { return slices.Contains(verbs, w) })
}

// leaves reports whether a command leaves something in the caches of its manager.
// apt-get install needs the lists and does not fetch them; its archives are
// removed at once by the configuration that Debian's images have.
func (m manager) leaves(c command) bool {
	switch {
	case !m.is(c):
		return false
	case m.name == "apt-get":
		return c.does(m.update)
	case m.name == "apk" && c.flag("--no-cache"):
		return false
	}
	return c.does(m.install) || c.does(m.upgrade) || c.does(m.update)
}

// cleans reports whether a command empties the caches: by the manager's own verb,
// or by rm, perhaps of "/var/cache/*" or "/var/{cache,log}/*".
func (m manager) cleans(c command) bool {
	if m.is(c) {
		return c.does(m.clean)
	}
	if c.name() != "rm" && c.name() != "find" {
		return false
	}
	text := c.text()
	for _, dir := range m.caches {
		for parent := dir; parent != ""; parent = parent[:strings.LastIndexByte(parent, '/')] {
			if strings.Contains(text, parent+"/*") || strings.Contains(text, parent+"/{") || strings.Contains(text, parent+" ") || strings.HasSuffix(text, parent) {
				return true
			}
		}
		if strings.Contains(text, dir) {
			return true
		}
	}
	return false
}

// mountsOver reports whether a --mount of RUN covers one of the directories, or
// something in them or above them: what is written there is in no layer.
func (st *step) mountsOver(dirs ...string) bool {
	for _, value := range st.FlagValues("mount") {
		for field := range strings.SplitSeq(value, ",") {
			key, target, _ := strings.Cut(field, "=")
			target = strings.TrimSuffix(target, "/")
			if key != "target" && key != "dst" && key != "destination" || target == "" {
				continue
			}
			for _, dir := range dirs {
				if target == dir || strings.HasPrefix(dir, target+"/") || strings.HasPrefix(target, dir+"/") {
					return true
				}
			}
		}
	}
	return false
}

// isHarmless: these neither install nor build anything.
func isHarmless(name string) bool {
	return slices.Contains([]string{"", ":", "rm", "echo", "set", "sed", "true", "cp", "mv", "ln", "mkdir", "cat", "tee", "printf", "export", "curl", "wget", "gpg",
		"apt-key", "apt-mark", "apt-cache", "dpkg", "add-apt-repository", "debconf-set-selections", "rpm", "chmod", "chown", "grep", "find", "test", "[", "touch",
		"locale-gen", "update-locale", "adduser", "addgroup", "useradd", "groupadd", "rmdir", "sleep", "date"}, name)
}
