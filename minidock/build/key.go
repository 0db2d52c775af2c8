package build

import (
	"cmp"
	"context"
	"encoding/binary"
	"iter"
	"slices"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
)

// Key is the name of a step in the cache: the hash of its inputs, in
// hexadecimal.
type Key string

// Input is one thing that the result of a step depends on. The names are for
// people, too: "parent layers", "instruction", "env PATH", "arg VERSION",
// "file app/run.sh".
type Input struct{ Name, Value string }

// parentPrefix begins the names of the inputs that say on what image a step is done.
const parentPrefix = "parent "

// resultInput is the configuration that an instruction makes of the parent's.
const resultInput = "result config"

// NewKey hashes inputs in their order. Each string goes in with its length, so
// that "ab"+"c" and "a"+"bc" are different inputs.
func NewKey(inputs []Input) Key { return keyOf(slices.Values(inputs)) }

func keyOf(inputs iter.Seq[Input]) Key {
	h := digest.NewHasher()
	var buf []byte
	for in := range inputs {
		buf = buf[:0]
		for _, s := range []string{in.Name, in.Value} {
			buf = binary.BigEndian.AppendUint64(buf, uint64(len(s)))
			buf = append(buf, s...)
		}
		h.Write(buf)
	}
	return Key(h.Digest().Hex())
}

// concat yields inputs and then more, if there are any.
func concat(inputs []Input, more iter.Seq[Input]) iter.Seq[Input] {
	return func(yield func(Input) bool) {
		for _, in := range inputs {
			if !yield(in) {
				return
			}
		}
		if more != nil {
			more(yield)
		}
	}
}

// String returns the first digits, enough to tell keys apart.
func (k Key) String() string { return string(k[:min(12, len(k))]) }

// narrateKey tells every input of a key.
func narrateKey(ctx context.Context, k Key, inputs iter.Seq[Input]) {
	if !explain.Enabled(ctx) {
		return
	}
	n := 0
	for range inputs {
		n++
	}
	ctx = explain.Step(ctx, "cache key %s is the hash of %d inputs", k, n)
	for in := range inputs {
		explain.Step(ctx, "%s = %s", in.Name, cmp.Or(in.Value, `""`))
	}
}
