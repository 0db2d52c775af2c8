package lint

import (
	"strings"

	"minidock.dev/minidock/dockerfile"
)

// How a thing is written.
func styleRules() []rule {
	return []rule{
		{Rule{Name: "StageNameCasing", Level: Warning, Known: true,
			Title: "names of stages are in small letters",
			Why:   "Builders turn names of stages into small letters. Whoever reads on sees two spellings of one name."}, stageNameCasing},
		{Rule{Name: "FromAsCasing", Level: Warning, Known: true,
			Title: "FROM and AS are both in capitals or both in small letters",
			Why:   "Both spellings work; one in each file is easier to read."}, fromAsCasing},
		{Rule{Name: "ConsistentInstructionCasing", Level: Warning, Known: true,
			Title: "all instructions are in capitals, or all in small letters",
			Why:   "Both spellings work; one in each file is easier to read. Most people write capitals."}, instructionCasing},
		{Rule{Name: "NoEmptyContinuation", Level: Warning, Known: true,
			Title: "no blank lines inside of an instruction",
			Why:   "A blank line looks like the end of the instruction and is none, because the line before it ends with a backslash. Builders may refuse that one day."}, emptyContinuation},
		{Rule{Name: "JSONArgsRecommended", Level: Warning, Known: true,
			Title: "CMD and ENTRYPOINT are JSON arrays",
			Why:   "Without the array a shell runs the program. The shell is then process 1 and gets the signals: the program does not hear of a stop and is killed after ten seconds."}, jsonArgs},
		{Rule{Name: "MaintainerDeprecated", Level: Warning, Known: true,
			Title: "a label names the author, not MAINTAINER",
			Why:   "MAINTAINER is one text without a meaning. The label org.opencontainers.image.authors is standard, and inspect shows it."}, maintainer},
		{Rule{Name: "LegacyKeyValueFormat", Level: Warning, Known: true,
			Title: "ENV and LABEL are written name=value",
			Why:   "The old form without = takes the rest of the line as the value, so it allows a single variable, and a forgotten = becomes part of the value."}, legacyKeyValue},
		{Rule{Name: "WorkdirRelativePath", Level: Warning, Known: true,
			Title: "the first WORKDIR of a file is an absolute path",
			Why:   "A relative path is joined to the WORKDIR of the base image, which may change with the next version of that image."}, relativeWorkdir},
		{Rule{Name: "ExposeProtoCasing", Level: Warning, Known: true,
			Title: "the protocol in EXPOSE is in small letters",
			Why:   "Builders store the protocol in small letters; the file should say what the image has."}, exposeCasing},
		{Rule{Name: "ExposeInvalidFormat", Level: Warning, Known: true,
			Title: "EXPOSE names ports of the container only",
			Why:   "EXPOSE notes on which ports the program listens. Which port and address of the host leads there is chosen when a container is started, by -p."}, exposeFormat},
		{Rule{Name: "InvalidDefinitionDescription", Level: Warning, Known: true, Optional: true,
			Title: "the comment above ARG or FROM … AS begins with the name",
			Why:   "Tools that list the arguments and stages of a file show this comment as their description."}, definitionDescription},
	}
}

func stageNameCasing(f *file, found report) {
	for _, s := range f.stages {
		if len(s.From.Args) == 3 && s.From.Args[2] != s.Name {
			found(at(s.From), "the stage %s should be named %s", s.From.Args[2], s.Name)
		}
	}
}

// keyword is the name of an instruction as it is written.
func keyword(in dockerfile.Instruction) string {
	source := strings.TrimSpace(in.Source)
	return source[:min(len(in.Name), len(source))]
}

func isLower(s string) bool { return s == strings.ToLower(s) }
func isUpper(s string) bool { return s == strings.ToUpper(s) }

func fromAsCasing(f *file, found report) {
	for _, s := range f.stages {
		if len(s.From.Args) != 3 {
			continue
		}
		from, as := keyword(s.From), s.From.Args[1]
		if isLower(from) && !isLower(as) || isUpper(from) && !isUpper(as) {
			found(at(s.From), "%s and %s are not written alike", from, as)
		}
	}
}

// each calls visit for each instruction of the file.
func (f *file) each(visit func(in dockerfile.Instruction)) {
	for _, s := range f.stages {
		visit(s.From)
		for _, st := range s.steps {
			visit(st.Instruction)
		}
	}
}

func instructionCasing(f *file, found report) {
	lower, upper := 0, 0
	f.each(func(in dockerfile.Instruction) {
		switch word := keyword(in); {
		case isLower(word):
			lower++
		case isUpper(word):
			upper++
		}
	})
	f.each(func(in dockerfile.Instruction) {
		word := keyword(in)
		if lower > upper && !isLower(word) {
			found(at(in), "%s should be %s, as most instructions in this file", word, strings.ToLower(word))
		}
		if lower <= upper && !isUpper(word) {
			found(at(in), "%s should be %s, as most instructions in this file", word, strings.ToUpper(word))
		}
	})
}

// emptyContinuation tells the blank line, other than the builder, which knows
// only the instruction.
func emptyContinuation(f *file, found report) {
	check := func(in dockerfile.Instruction) {
		text := strings.Split(in.Source, "\n")
		for _, h := range in.Heredocs {
			text = text[:max(len(text)-strings.Count(h.Content, "\n")-1, 0)]
		}
		for i, line := range text {
			if strings.TrimSpace(line) == "" {
				found(lines{in.Line + i, in.Line + i}, "a blank line inside of %s, which goes on after it", in.Name)
				return
			}
		}
	}
	for _, in := range f.Args {
		check(in)
	}
	f.each(check)
}

func jsonArgs(f *file, found report) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			if (st.Name == "CMD" || st.Name == "ENTRYPOINT") && !st.JSON && st.Text != "" && st.shell == nil {
				found(at(st.Instruction), "%s should be a JSON array%s", st.Name, jsonExample(st.Text))
			}
		}
	}
}

// jsonExample shows the array of a simple command.
func jsonExample(text string) string {
	words := strings.Fields(text)
	if strings.ContainsAny(text, "'\"\\$&|;<>()`*?[]{}~#=") || len(words) > 6 {
		return ""
	}
	return `: ["` + strings.Join(words, `", "`) + `"]`
}

func maintainer(f *file, found report) {
	f.each(func(in dockerfile.Instruction) {
		if in.Name == "MAINTAINER" {
			found(at(in), "MAINTAINER is deprecated: write LABEL org.opencontainers.image.authors=%q", strings.Trim(in.Text, `"'`))
		}
	})
}

func legacyKeyValue(f *file, found report) {
	f.each(func(in dockerfile.Instruction) {
		if (in.Name == "ENV" || in.Name == "LABEL") && len(in.Args) > 0 && !strings.Contains(in.Args[0], "=") {
			found(at(in), "write %s %s=…, with =", in.Name, in.Pairs[0].Key)
		}
	})
}

func relativeWorkdir(f *file, found report) {
	for _, s := range f.stages {
		set := s.parent != nil && s.parent.hasWorkdir
		for _, st := range s.steps {
			if st.Name != "WORKDIR" {
				continue
			}
			path := strings.TrimSpace(st.words[0])
			relative := path != "" && !strings.HasPrefix(path, "/") && !strings.ContainsAny(path, `:\`)
			if !set && relative && st.wordsOK {
				found(at(st.Instruction), "WORKDIR %s is relative to a directory that the base image chooses", path)
			}
			set = true
		}
	}
}

func exposeCasing(f *file, found report) {
	f.exposed(func(st *step, port string) {
		_, protocol, _ := strings.Cut(port, "/")
		if !isLower(protocol) {
			found(at(st.Instruction), "EXPOSE %s should be %s", port, strings.ToLower(port))
		}
	})
}

func exposeFormat(f *file, found report) {
	f.exposed(func(st *step, port string) {
		if strings.Contains(port, ":") {
			found(at(st.Instruction), "EXPOSE %s should be %s, without address and port of the host", port, port[strings.LastIndex(port, ":")+1:])
		}
	})
}

func (f *file) exposed(visit func(st *step, port string)) {
	for _, s := range f.stages {
		for _, st := range s.steps {
			if st.Name != "EXPOSE" {
				continue
			}
			for _, port := range st.words {
				visit(st, port)
			}
		}
	}
}

func definitionDescription(f *file, found report) {
	check := func(in dockerfile.Instruction, name string) {
		comment := strings.Split(in.Comment, "\n")
		if last := comment[len(comment)-1]; last != "" && !strings.HasPrefix(last, name+" ") {
			found(at(in), "the comment above should begin with %q, or a blank line should follow it", name+" ")
		}
	}
	for _, in := range f.Args {
		check(in, in.Pairs[0].Key)
	}
	for _, s := range f.stages {
		if s.Name != "" {
			check(s.From, s.Name)
		}
		for _, st := range s.steps {
			if st.Name == "ARG" {
				check(st.Instruction, st.Pairs[0].Key)
			}
		}
	}
}
