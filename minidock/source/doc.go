// Package source finds the files that COPY and ADD name.
//
// A file comes out of the build context, which is a directory less what
// .dockerignore hides, or out of an image, which need not be unpacked for it: an
// earlier stage, or one from the store. Both are a [Source]: a tree of names, and the
// bytes behind them. What a Dockerfile writes is looked up there,
//
//	COPY src/*.go app/      src/a.go src/b.go          a wildcard: PickAll, Find
//	COPY data /data         everything below data      a directory gives its contents
//	COPY link /x            what the link leads to     links are followed, inside only
//
// and nothing outside can be reached: "..", and links to absolute names, end at the
// root, as they would for a process that has the tree as its root directory.
//
// The smallest example:
//
//	dir, err := source.OpenDirectory("demo", nil, source.DirectoryOptions{})
//	picks, err := source.PickAll(dir, []string{"*.go"}, nil)
//
// A build that changes nothing should read nothing. So a [Directory] lists each
// directory once, keeps the digests of files from one build to the next, and reads
// again only what stat(2) shows to be another file: git's index works the same way,
// and has the same trouble with files that change twice within a tick of the clock
// (https://git-scm.com/docs/racy-git). What must be read is read ahead of whoever
// copies it, and hashed on the way.
//
// What it does not do: decide where a file goes in the image, or make layers. That is
// for package build.
//
// Reference: https://docs.docker.com/reference/dockerfile/#copy
//
// Read next: package build, which turns instructions into layers.
package source
