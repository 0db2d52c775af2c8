// Package ignore says what a .dockerignore file leaves out of the build context.
//
// The context is the directory that COPY copies from. What nobody needs (.git,
// build output) or nobody should see (passwords) is named in .dockerignore, a
// pattern a line:
//
//	# a comment, only in the first column
//	*.log          in the top directory only: patterns start at the context's root
//	**/*.tmp       at any depth
//	node_modules   a directory, with everything below it
//	!keep.log      but not this one
//
// The last line that matches decides. * and ? do not match "/", ** does.
//
// The smallest example:
//
//	m, err := ignore.Parse(strings.NewReader("*.log\n!keep.log\n"))
//	out, err := m.Excluded("debug.log", false) // true
//
// Because a "!" line may bring back a file from a directory that is left out,
// such a directory must be walked all the same. [Matcher.CanSkip] says when it
// need not be: without it, one line "node_modules" saves nothing.
//
// What it does not do: find the file, or read the context. And it is not
// .gitignore: there, a pattern without a slash matches at any depth.
//
// The rules are those of github.com/moby/patternmatcher, which this package
// wraps, because every tool has to agree on them exactly. Specification:
// https://docs.docker.com/build/concepts/context/#dockerignore-files
//
// Read next: package source, where COPY looks for files.
package ignore
