package dockerfile_test

import (
	"fmt"
	"strings"

	"minidock.dev/minidock/dockerfile"
)

func Example() {
	f, err := dockerfile.Parse(strings.NewReader(`
FROM alpine
ENV GREETING="hello world"
COPY . /app
RUN cd /app && \
    make
CMD ["/app/run.sh"]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Stages[0].Base)
	for _, in := range f.Stages[0].Instructions {
		fmt.Printf("line %d: %-4s %q\n", in.Line, in.Name, in.Args)
	}
	// Output:
	// alpine
	// line 3: ENV  ["GREETING=\"hello world\""]
	// line 4: COPY ["." "/app"]
	// line 5: RUN  ["cd /app &&     make"]
	// line 7: CMD  ["/app/run.sh"]
}

func ExampleError() {
	_, err := dockerfile.Parse(strings.NewReader("FROM alpine\nRUNN make\n"))
	fmt.Println(err)
	// Output: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)
}

func ExampleExpand() {
	env := func(name string) (string, bool) {
		return "/src/main.go", name == "FILE"
	}
	for _, word := range []string{"$FILE", "${FILE##*/}", "${OUT:-a.out}", "'$FILE'"} {
		s, err := dockerfile.Expand(word, env, '\\')
		fmt.Println(s, err)
	}
	// Output:
	// /src/main.go <nil>
	// main.go <nil>
	// a.out <nil>
	// $FILE <nil>
}
