// Package cli is the commands: one file a verb, and the only place where all
// packages meet.
//
// A verb reads its flags, opens what it needs of the store, calls the packages
// below in order and prints. The straight lines are here: to see what `build`
// does, read build.go downwards; for `images`, images.go.
//
//	func main() { os.Exit(cli.Main(os.Args)) }
//
// What is shared by the verbs:
//
//	cli.go             the root command, docker's texts for wrong usage, exit codes
//	store.go           opens the image store, and on Linux layers and containers
//	color.go           what stands out on a terminal
//	later.go           commands and flags of docker that are still to come
//	format.go          tables, --format templates, sizes and ages as docker prints them
//	progress.go        how a build is shown, and build{plain,live,json}.go three ways of it
//	rootless_linux.go  an ordinary user becomes root of a user namespace
//
// Texts and exit codes are docker's, those of the versions before 29 that most
// articles show: 125 for a flag that does not exist, 1 for what the engine
// refuses, the command's own code for `run` and for a RUN that fails. Results
// go to standard output and everything else to standard error, so that
// `id=$(minidock build -q .)` works. Hints about what to try are added here
// and nowhere below.
//
// The image verbs work for every user on every system. Those that start
// processes are in files that end in _linux.go.
//
// What it does not do: keep anything running. There is no daemon; each command
// works on the store itself and locks what must not change under it.
//
// docker's command line: https://docs.docker.com/reference/cli/docker/
//
// Read next: main.go, and then docs/ARCHITECTURE.md once more.
package cli
