package dockerfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// form is how the arguments of an instruction are written.
type form int

const (
	wholeLine    form = iota // one argument
	wordList                 // words between blanks; quotes are not special
	pairList                 // name=value …, or a name and the rest of the line
	nameList                 // name … or name=default …
	arrayOrLine              // ["an","array"], or a line for the shell
	arrayOrWords             // ["an","array"], or a wordList
	probe                    // NONE, or CMD and an arrayOrLine
	trigger                  // an instruction
)

// grammar is a form, and the flags that are allowed: "name" may be true or
// false, "name=" takes a value, "name=…" may be repeated.
type grammar struct {
	form  form
	flags []string
}

// grammarOf is the table of all instructions. It is code, not a map, because
// a map would be built each time the program starts.
func grammarOf(name string) (grammar, bool) {
	switch name {
	case "FROM":
		return grammar{wordList, []string{"platform="}}, true
	case "RUN":
		return grammar{arrayOrLine, []string{"mount=…", "network=", "security=", "device=…"}}, true
	case "COPY":
		return grammar{arrayOrWords, []string{"from=", "chown=", "chmod=", "link", "parents", "exclude=…"}}, true
	case "ADD":
		return grammar{arrayOrWords, []string{"chown=", "chmod=", "link", "keep-git-dir", "checksum=", "unpack", "exclude=…"}}, true
	case "HEALTHCHECK":
		return grammar{probe, []string{"interval=", "timeout=", "start-period=", "start-interval=", "retries="}}, true
	case "CMD", "ENTRYPOINT", "SHELL":
		return grammar{form: arrayOrLine}, true
	case "VOLUME":
		return grammar{form: arrayOrWords}, true
	case "EXPOSE":
		return grammar{form: wordList}, true
	case "ENV", "LABEL":
		return grammar{form: pairList}, true
	case "ARG":
		return grammar{form: nameList}, true
	case "ONBUILD":
		return grammar{form: trigger}, true
	case "WORKDIR", "USER", "STOPSIGNAL", "MAINTAINER":
		return grammar{form: wholeLine}, true
	}
	return grammar{}, false
}

// Instructions lists the names of all instructions, alphabetically.
func Instructions() []string {
	return []string{"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
		"MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
}

// check finds what can be wrong with a single instruction.
func check(in Instruction) error {
	g, _ := grammarOf(in.Name)
	if err := checkFlags(in, g.flags); err != nil {
		return err
	}
	switch in.Name {
	case "FROM":
		return checkFrom(in)
	case "ENV", "LABEL", "ARG":
		return checkPairs(in)
	case "ADD", "COPY":
		return checkCopy(in)
	case "EXPOSE", "ONBUILD":
		return atLeastOne(in)
	case "VOLUME":
		return checkVolume(in)
	case "WORKDIR", "USER", "STOPSIGNAL", "MAINTAINER":
		if len(in.Args) != 1 {
			return mistake("%s requires exactly one argument", in.Name)
		}
	case "SHELL":
		return checkShell(in)
	case "HEALTHCHECK":
		return checkProbe(in)
	case "RUN":
		return checkRun(in)
	}
	return nil
}

// checkRun looks at the values of flags, too, as far as they can hold no variables.
func checkRun(in Instruction) error {
	network, ok := in.Flag("network")
	if networks := []string{"default", "none", "host"}; ok && !slices.Contains(networks, network) {
		return hinted("it may be "+strings.Join(networks, ", "), "invalid network mode %q", network)
	}
	security, ok := in.Flag("security")
	if ok && security != "sandbox" && security != "insecure" {
		return mistake("security %q is not valid", security)
	}
	for _, value := range in.FlagValues("mount") {
		if err := checkMount(value); err != nil {
			return err
		}
	}
	return nil
}

func checkFlags(in Instruction, allowed []string) error {
	seen := map[string]bool{}
	for _, f := range in.Flags {
		kind, err := flagKind(in.Name, f.Name, allowed)
		if err != nil {
			return err
		}
		if seen[f.Name] && kind != "=…" {
			return mistake("duplicate flag specified: %s", f.Name)
		}
		seen[f.Name] = true
		if err := checkFlagValue(f, kind); err != nil {
			return err
		}
	}
	return nil
}

// flagKind returns what stands behind the name in the list of allowed flags.
func flagKind(instruction, name string, allowed []string) (string, error) {
	var known []string
	for _, a := range allowed {
		n, _, _ := strings.Cut(a, "=")
		if n == name {
			return a[len(n):], nil
		}
		known = append(known, "--"+n)
	}
	hint := didYouMean("--"+name, known)
	switch {
	case hint == "" && len(known) == 0:
		hint = instruction + " has no flags"
	case hint == "":
		hint = instruction + " has " + strings.Join(known, ", ")
	}
	return "", hinted(hint, "unknown flag: --%s", name)
}

func checkFlagValue(f Flag, kind string) error {
	isBool := kind == ""
	value := strings.ToLower(f.Value)
	switch {
	case isBool && !f.HasValue, !isBool && f.HasValue:
		return nil
	case !isBool:
		return hinted(fmt.Sprintf("write --%s=…, without blanks", f.Name), "missing a value on flag: %s", f.Name)
	case value == "":
		return mistake("missing a value on flag: %s", f.Name)
	case value != "true" && value != "false":
		return mistake("expecting boolean value for flag %s, not: %s", f.Name, f.Value)
	}
	return nil
}

func atLeastOne(in Instruction) error {
	if len(in.Args) == 0 {
		return mistake("%s requires at least one argument", in.Name)
	}
	return nil
}

func checkFrom(in Instruction) error {
	switch {
	case len(in.Args) == 1:
		return nil
	case len(in.Args) != 3 || !strings.EqualFold(in.Args[1], "AS"):
		return hinted(fromHint(in.Args), "FROM requires either one or three arguments")
	case !isStageName(strings.ToLower(in.Args[2])):
		return mistake("invalid name for build stage: %q, name can't start with a number or contain symbols", in.Args[2])
	}
	return nil
}

func fromHint(args []string) string {
	switch {
	case slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "#") }):
		return "a comment needs a line of its own"
	case len(args) == 2 && !strings.EqualFold(args[1], "AS"):
		return fmt.Sprintf("to name the stage, write FROM %s AS %s", args[0], args[1])
	}
	return "write FROM image, or FROM image AS name"
}

// isStageName: a letter first, so that COPY --from=1 is always a number.
func isStageName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return s != "" && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+"0123456789-_.") == ""
}

func checkPairs(in Instruction) error {
	for _, p := range in.Pairs {
		if p.Key == "" {
			return mistake("%s names can not be blank", in.Name)
		}
	}
	return atLeastOne(in)
}

func checkCopy(in Instruction) error {
	if len(in.Args) < 2 {
		return mistake("%s requires at least two arguments, but only one was provided. Destination could not be determined", in.Name)
	}
	if _, ok := parseHeredoc(in.Args[len(in.Args)-1]); ok && !in.JSON {
		return mistake("%s cannot accept a heredoc as a destination", in.Name)
	}
	return nil
}

func checkVolume(in Instruction) error {
	for _, path := range in.Args {
		if strings.TrimSpace(path) == "" {
			return mistake("VOLUME specified can not be an empty string")
		}
	}
	return atLeastOne(in)
}

func checkShell(in Instruction) error {
	switch {
	case in.Text == "", in.JSON && len(in.Args) == 0:
		return mistake("SHELL requires at least one argument")
	case !in.JSON:
		return hinted(`as in SHELL ["/bin/sh", "-c"]`, "SHELL requires the arguments to be in JSON form")
	}
	return nil
}

func checkProbe(in Instruction) error {
	if err := atLeastOne(in); err != nil {
		return err
	}
	switch kind, command := in.Args[0], in.Args[1:]; {
	case kind == "NONE" && len(command) > 0:
		return mistake("HEALTHCHECK NONE takes no arguments")
	case kind != "NONE" && kind != "CMD":
		return mistake("Unknown type %q in HEALTHCHECK (try CMD)", kind)
	case kind == "CMD" && len(command) == 0:
		return mistake("Missing command after HEALTHCHECK CMD")
	}
	for _, f := range in.Flags {
		if err := checkProbeFlag(f); err != nil {
			return err
		}
	}
	return nil
}

func checkProbeFlag(f Flag) error {
	if f.Value == "" {
		return nil
	}
	if f.Name == "retries" {
		n, err := strconv.ParseInt(f.Value, 10, 32)
		if err == nil && n < 0 {
			err = mistake("--retries cannot be negative (%d)", n)
		}
		return err
	}
	d, err := time.ParseDuration(f.Value)
	if err == nil && d != 0 && d < time.Millisecond {
		err = mistake("Interval %q cannot be less than %s", f.Name, time.Millisecond)
	}
	return err
}
