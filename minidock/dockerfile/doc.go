// Package dockerfile reads Dockerfiles.
//
// A Dockerfile is a list of instructions, one a line, cut into stages by FROM.
// Reading one takes four steps, and each has its file:
//
//	lines.go    physical lines -> logical lines: directives, comments, continuations, here-documents
//	words.go    a logical line -> NAME, --flags, and arguments in the form that NAME wants
//	check.go    are these flags allowed, is the number of arguments right?
//	parse.go    ARGs, then stages of instructions; which mistakes are told
//
// What comes out is text that nobody has interpreted yet: variables are still
// written $NAME. Their values depend on the instructions before and on what the
// user passes to the build, so the builder asks for them one by one, by
// [Expand] and [ExpandWords] (expand.go), and [ParseMount] for RUN --mount
// (mount.go). The way back, from a File to text, is [File.Format] (print.go).
//
// The smallest example:
//
//	f, err := dockerfile.Parse(strings.NewReader("FROM alpine\nRUN echo hi\n"))
//	fmt.Println(f.Stages[0].Base)                 // alpine
//	fmt.Println(f.Stages[0].Instructions[0].Text) // echo hi
//
// The input is hostile: no text makes the parser panic, or take more time and
// memory than in proportion to its length. What is wrong is reported as an
// [*Error], which knows the line and often a way out, or as [*Errors] if there
// are several that do not follow from each other.
//
// What it does not do: open files, know stages or images by name, or understand
// the values of flags; all of that belongs to package build. It ignores the
// directive "# syntax=", by which BuildKit fetches another parser.
//
// Specification: https://docs.docker.com/reference/dockerfile/; where that is
// silent, BuildKit's parser is the judge, and its own test files are among our
// tests. Variables follow the shell: POSIX.1-2017, "Shell Command Language",
// section 2.6.2, https://pubs.opengroup.org/onlinepubs/9699919799/.
//
// Read next: package lint, which gives advice about such a file.
package dockerfile
