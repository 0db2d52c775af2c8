package dockerfile

import "slices"

// File is a parsed Dockerfile.
type File struct {
	Escape   byte          // '\\', or '`' by the directive "# escape=`"
	Syntax   string        // of the directive "# syntax=…", or ""
	Check    string        // of the directive "# check=…", or "": which advice is not wanted
	Args     []Instruction // the ARGs before the first FROM: only FROM lines see them
	Stages   []Stage       // at least one
	Warnings []Warning
}

// Stage is what lies between one FROM and the next.
type Stage struct {
	Name         string // of FROM … AS name, in lower case; "" without
	Base         string // of FROM base, variables not expanded
	Platform     string // of FROM --platform=…, variables not expanded
	From         Instruction
	Instructions []Instruction // without the FROM
}

// Instruction is one instruction with its arguments, variables not expanded.
//
// Which fields are set depends on the form of the arguments:
//
//	RUN CMD ENTRYPOINT      Args is the array if JSON; else the one command line, which is Text
//	SHELL                   Args is the array, JSON is true
//	ADD COPY VOLUME         Args is the array if JSON; else the words
//	FROM EXPOSE             Args is the words
//	ENV LABEL ARG           Pairs; Args is the same as words
//	HEALTHCHECK             Args is NONE, or CMD followed by what RUN would have
//	ONBUILD                 Args is one string: the trigger, with its here-documents, for ParseInstruction
//	USER WORKDIR and others Args is one string, Text
type Instruction struct {
	Name     string // upper case: "RUN"
	Flags    []Flag // in the order in which they are written
	Args     []string
	Pairs    []Pair
	JSON     bool   // the arguments were a JSON array: no shell, no word splitting
	Text     string // all of the arguments as written, continuation lines joined, flags left out
	Heredocs []Heredoc
	Line     int    // first line, counted from 1
	EndLine  int    // last line, that of the last here-document included
	Source   string // these lines as they are in the file
	Comment  string // the comment lines directly above, without their #
}

// Flag is --name or --name=value, quotes removed, variables not expanded.
type Flag struct {
	Name, Value string
	HasValue    bool // false for a bare --link
}

// Pair is key=value of ENV, LABEL and ARG. Both may hold quotes and variables:
// pass the key, too, through Expand.
type Pair struct {
	Key, Value string
	HasValue   bool // false for ARG without a default
}

// Warning is something that is allowed but probably not meant.
type Warning struct {
	Line int
	Text string
}

// Flag returns the value of a flag and whether the flag is there. A bare
// --link has the value "true".
func (i Instruction) Flag(name string) (value string, ok bool) {
	at := slices.IndexFunc(i.Flags, func(f Flag) bool { return f.Name == name })
	if at < 0 {
		return "", false
	}
	if !i.Flags[at].HasValue {
		return "true", true
	}
	return i.Flags[at].Value, true
}

// FlagValues returns all values of a flag that may be repeated.
func (i Instruction) FlagValues(name string) []string {
	var values []string
	for _, f := range i.Flags {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}
