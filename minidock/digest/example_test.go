package digest_test

import (
	"fmt"
	"io"
	"strings"

	"minidock.dev/minidock/digest"
)

func Example() {
	d := digest.FromBytes([]byte("hello\n"))
	fmt.Println(d)
	fmt.Println(d.Short())
	// Output:
	// sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
	// 5891b5b522d5
}

// Somebody sends six bytes under a name that is not theirs.
func ExampleNewVerifier() {
	name := digest.FromBytes([]byte("hello\n"))
	_, err := io.ReadAll(digest.NewVerifier(strings.NewReader("hallo\n"), name, 6))
	fmt.Println(err)
	// Output:
	// verify sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03: content has digest sha256:622cb3371c1a08096eaac564fb59acccda1fcdbe13a9dd10b486e6463c8c2525
}
