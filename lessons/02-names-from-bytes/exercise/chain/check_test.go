//go:build exercise

package oci

import (
	"testing"

	"minidock.dev/minidock/digest"
)

// Names that are short enough to be read in a message.
const a, b, c = DiffID("sha256:a"), DiffID("sha256:b"), DiffID("sha256:c")

func hashed(text string) ChainID { return ChainID(digest.FromBytes([]byte(text))) }

func TestLessonLength(t *testing.T) {
	for _, layers := range [][]DiffID{{}, {a}, {a, b}, {a, b, c}} {
		if got := ChainIDs(layers); len(got) != len(layers) {
			t.Fatalf("There is not one chain ID for each layer.\nexpected: %d for %v\nfound:    %d\nreread: The name of a stack",
				len(layers), layers, len(got))
		}
	}
}

func TestLessonLowest(t *testing.T) {
	got := ChainIDs([]DiffID{a})[0]
	if got == hashed(string(a)) {
		t.Fatalf("The lowest layer's name was hashed once more.\nexpected: %s, since nothing is below it\nfound:    %s\nreread: The name of a stack", a, got)
	}
	if got != ChainID(a) {
		t.Fatalf("The lowest layer has another name than its own.\nexpected: %s, since nothing is below it\nfound:    %q\nreread: The name of a stack", a, got)
	}
}

func TestLessonTwo(t *testing.T) {
	got := ChainIDs([]DiffID{a, b})[1]
	mistakes := map[ChainID]string{
		hashed("sha256:b sha256:a"):   "The two names are in the wrong order.",
		hashed("sha256:asha256:b"):    "Nothing stands between the two names.",
		hashed("sha256:a\nsha256:b"):  "A line end stands between the two names.",
		hashed("sha256:a sha256:b\n"): "The text that is hashed ends with a line end.",
		hashed("a b"):                 "The names were hashed without their algorithm.",
		ChainID(b):                    "The second chain ID is the second layer's own name: it says nothing of the layer below.",
		hashed("sha256:b"):            "The second chain ID says nothing of the layer below.",
	}
	if mistake := mistakes[got]; mistake != "" {
		t.Fatalf("%s\nexpected: the digest of the chain below, one space, and the layer's DiffID\nfound:    %s\nreread: The name of a stack", mistake, got)
	}
	if got != hashed("sha256:a sha256:b") {
		t.Fatalf("Two layers have another name than they should.\nexpected: %s for [%s %s]\nfound:    %q\nreread: The name of a stack",
			hashed("sha256:a sha256:b"), a, b, got)
	}
}

func TestLessonThree(t *testing.T) {
	got := ChainIDs([]DiffID{a, b, c})[2]
	if other := ChainIDs([]DiffID{b, b, c})[2]; other == got {
		t.Fatalf("The third chain ID does not depend on the lowest layer.\nexpected: other names for [a b c] and [b b c]\nfound:    %s for both\nreread: The name of a stack", got)
	}
	if got == hashed("sha256:a sha256:b sha256:c") {
		t.Fatalf("All DiffIDs were hashed in one go.\nexpected: the rule applied twice, the chain of the lower two within the text for the third\nfound:    the digest of one long text\nreread: The name of a stack")
	}
	if want := hashed(string(hashed("sha256:a sha256:b")) + " sha256:c"); got != want {
		t.Fatalf("Three layers have another name than they should.\nexpected: %s\nfound:    %s\nreread: The name of a stack", want, got)
	}
}

func TestLessonArgument(t *testing.T) {
	layers := []DiffID{a, b, c}
	ChainIDs(layers)
	if layers[0] != a || layers[1] != b || layers[2] != c {
		t.Fatalf("The list that the function was given has changed.\nexpected: [%s %s %s]\nfound:    %v", a, b, c, layers)
	}
}
