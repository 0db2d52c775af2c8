package lint

import (
	"path"
	"slices"
	"strings"
)

// Habits of a login shell that do not fit a build.
func habitRules() []rule {
	return []rule{
		{Rule{Name: "LostWithRun", Level: Warning,
			Title: "cd, export and source act within one RUN",
			Why:   "Each RUN starts a shell of its own. What a shell knows, its directory and its variables, ends with it; only files last. WORKDIR and ENV are for all that follows."}, lostWithRun},
		{Rule{Name: "CdInsteadOfWorkdir", Level: Advice,
			Title: "WORKDIR for a directory that several RUNs need",
			Why:   "WORKDIR makes the directory and holds for all instructions after it, for CMD and for exec."}, cdInsteadOfWorkdir},
		{Rule{Name: "InstallWouldAsk", Level: Warning,
			Title: "package managers are told not to ask",
			Why:   "Nobody is there to answer during a build: at the question the command fails."}, installWouldAsk},
		{Rule{Name: "SudoInRun", Level: Advice,
			Title: "no sudo in RUN",
			Why:   "RUN is root unless USER says something else, and USER can be said again. sudo is one more program in the image, and loses the variables of the build."}, sudoInRun},
		{Rule{Name: "RootAtEnd", Level: Advice,
			Title: "the last USER is not root",
			Why:   "The program of the container then runs as root. Whoever gets into it through a mistake of the program is root there, too."}, rootAtEnd},
		{Rule{Name: "PipeToShell", Level: Advice,
			Title: "no script from the network goes straight into a shell",
			Why:   "Nobody has seen what is run, and the next build may run something else. If the connection breaks, half a script is run, and the build goes on. ADD --checksum fetches exactly what was looked at."}, pipeToShell},
	}
}

// run calls visit for each RUN that has commands.
func (f *file) run(visit func(st *step)) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			if len(st.commands) > 0 {
				visit(st)
			}
		}
	}
}

// lostWithRun looks at the last command: what it sets, nobody sees.
func lostWithRun(f *file, found report) {
	f.run(func(st *step) {
		n := len(st.commands)
		last := st.commands[n-1]
		conditional := n > 1 && st.commands[n-2].op == "||"
		if last.guarded || last.sudo || conditional || len(last.words) != 2 || len(st.Heredocs) > 0 {
			return
		}
		switch argument := last.words[1]; {
		case last.name() == "cd":
			found(at(st.Instruction), "cd has no effect after this RUN: write WORKDIR %s", argument)
		case last.name() == "export" && isAssignment(argument):
			found(at(st.Instruction), "export has no effect after this RUN: write ENV %s", argument)
		case (last.name() == "source" || last.words[0] == ".") && onlySets(argument):
			found(at(st.Instruction), "%s has no effect after this RUN", last.text())
		}
	})
}

// onlySets: other scripts may do more than set variables.
func onlySets(script string) bool {
	return slices.Contains([]string{"activate", ".bashrc", ".profile", ".bash_profile", "profile", "nvm.sh", "env"}, path.Base(script))
}

// cdInsteadOfWorkdir: one RUN that works in a directory is fine, for example in
// one that it removes at its end.
func cdInsteadOfWorkdir(f *file, found report) {
	for _, s := range f.stages {
		first := map[string]*step{}
		for _, st := range s.steps {
			if st.Name == "WORKDIR" {
				clear(first)
			}
			if len(st.commands) < 2 || st.commands[0].name() != "cd" || len(st.commands[0].words) != 2 {
				continue
			}
			dir := st.commands[0].words[1]
			if before := first[dir]; before == nil {
				first[dir] = st
			} else if dir != "/" && dir != "/tmp" && !strings.ContainsAny(dir, "$`") {
				found(at(st.Instruction), "cd %s, as in line %d: write WORKDIR %s", dir, before.Line, dir)
			}
		}
	}
}

func installWouldAsk(f *file, found report) {
	f.run(func(st *step) {
		for i, c := range st.commands {
			m, ok := managerOf(c)
			answered := i > 0 && st.commands[i-1].op == "|"
			if ok && m.yes != nil && !answered && c.does(m.install) && !c.flag(m.yes...) && !answers(c) {
				found(at(st.Instruction), "%s may ask before it installs: add %s", c.name(), m.yes[0])
				return
			}
		}
	})
}

// answers: there are other ways to say yes, or to do nothing.
func answers(c command) bool {
	text := strings.ToLower(c.text())
	return slices.ContainsFunc([]string{"-q=2", "assume", "=yes", "=1", "simulate", "dry-run", "help", "<", "$", "print-uris", "download-only"},
		func(s string) bool { return strings.Contains(text, s) })
}

func sudoInRun(f *file, found report) {
	f.run(func(st *step) {
		if slices.ContainsFunc(st.commands, func(c command) bool { return c.sudo }) {
			found(at(st.Instruction), "leave out sudo, or write USER root before this RUN")
		}
	})
}

// rootAtEnd looks at what the file says, not at what it leaves to the base image.
func rootAtEnd(f *file, found report) {
	s := f.stages[len(f.stages)-1]
	for _, st := range slices.Backward(s.steps) {
		if st.Name != "USER" {
			continue
		}
		user, _, _ := strings.Cut(st.words[0], ":")
		if st.wordsOK && (user == "root" || user == "0") {
			found(at(st.Instruction), "the program runs as root: end with another USER")
		}
		return
	}
}

func pipeToShell(f *file, found report) {
	f.run(func(st *step) {
		for i, c := range st.commands {
			piped := isFetch(c) && c.op == "|" && i+1 < len(st.commands) && readsScript(st.commands[i+1])
			if piped || isShell(c.name()) && slices.ContainsFunc(c.words, fetchesInside) {
				found(at(st.Instruction), "what comes from the network is run unseen: store it, check it, and run it then")
				return
			}
		}
	})
}

func isFetch(c command) bool { return c.name() == "curl" || c.name() == "wget" }

// readsScript: a shell that reads its script from the pipe.
func readsScript(c command) bool {
	name := strings.TrimRight(c.name(), "0123456789.")
	if isShell(name) {
		return !c.flag("-c")
	}
	other := slices.Contains([]string{"python", "perl", "php", "node", "ruby"}, name)
	return other && (len(c.words) == 1 || c.words[1] == "-")
}

// fetchesInside: bash <(curl …), sh -c "$(wget …)".
func fetchesInside(word string) bool {
	return slices.ContainsFunc([]string{"<(curl ", "<(wget ", "$(curl ", "$(wget "}, func(s string) bool { return strings.HasPrefix(word, s) })
}
