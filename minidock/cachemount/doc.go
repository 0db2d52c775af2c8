// Package cachemount keeps the directories of RUN --mount=type=cache.
//
// A compiler or a package manager is much faster with a directory in which it finds what
// it has fetched or made the last time. Such a directory belongs to no image: it
// outlives the build, and a build that finds it empty gives the same result, later.
//
//	s := cachemount.Open(root, cachemount.Options{})
//	dirs, release, err := s.Use(ctx, []cachemount.Use{
//		{Cache: cachemount.Cache{ID: "/root/.cache", Mode: 0o755}, Sharing: "locked"},
//	})
//	…             // mount dirs[0] and run the command
//	release()
//
// On the disk a cache is a directory with a copy for each step that wanted one of
// its own, and a lock beside each copy:
//
//	<root>/cachemounts/<hash>/cache.json    what <hash> is the hash of
//	                          0/            the files
//	                          0.lock        flock(2), held while a step uses 0/
//	                          1/  1.lock    made when 0/ was in use and private was asked for
//
// A lock is held by an open file and by nothing else, so a build that is killed
// leaves none behind, and builds in several processes are as safe from each other
// as the stages of one. A copy appears by rename, complete, with its first content.
//
// The package mounts nothing and runs nothing, and it has no limit of size:
// `minidock builder prune` removes what nobody uses.
//
// https://docs.docker.com/reference/dockerfile/#run---mounttypecache
//
// Read next: package namespace, for views of the system that are private.
package cachemount
