// Package lint gives advice about a Dockerfile.
//
// A Dockerfile can be right and still not do what was meant: a variable that
// nobody has set is empty, the first of two CMDs is forgotten, and what a RUN
// removes stays in the layer below. The builder cannot refuse that, but somebody
// can look over the author's shoulder. Each thing to look for is a [Rule]; what
// it found is a [Finding], with its lines and with the reason in a sentence or
// two.
//
// The smallest example:
//
//	f, err := dockerfile.Parse(strings.NewReader("FROM alpine:3.20\nADD run.sh /\n"))
//	for _, found := range lint.Check(f, lint.Options{}) {
//		fmt.Println(found.Line, found.Rule, found.Message)
//	}
//
// How it works: the file is walked once, as the builder would, to learn which
// value each variable has where (walk.go), and the commands of each RUN are taken
// apart (shell.go). Then every rule looks at the result. Each file holds a group
// of rules:
//
//	style.go      how a thing is written
//	stages.go     names of stages, instructions that cancel each other
//	variables.go  variables without a value, secrets
//	copying.go    COPY and ADD
//	cleanup.go    what stays behind in a layer
//	order.go      what is run again too often
//	habits.go     habits of a login shell that do not fit a build
//
// Rules that other builders have, too, have their names, so that the line
// "# check=skip=JSONArgsRecommended" at the top of a file means the same to all
// of them. A rule that is often wrong is worse than none, because it teaches people
// to look away: where a rule cannot know, it is silent.
//
// What it does not do: read files, look at images, run anything. What the base
// image sets and what the context holds, the caller tells it by [Options].
//
// Rules of the field: https://docs.docker.com/reference/build-checks/.
//
// Read next: package ignore, the other file that a build reads before it starts.
package lint
