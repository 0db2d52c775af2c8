package reference_test

import (
	"fmt"

	"minidock.dev/minidock/reference"
)

func Example() {
	for _, s := range []string{"alpine", "foo:5000", "foo:5000/bar", "Foo"} {
		r, err := reference.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(r, "=", r.Familiar())
	}
	// Output:
	// docker.io/library/alpine:latest = alpine:latest
	// docker.io/library/foo:5000 = foo:5000
	// foo:5000/bar:latest = foo:5000/bar:latest
	// invalid reference format: repository name (library/Foo) must be lowercase
}
