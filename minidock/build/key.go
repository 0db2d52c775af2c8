package build

import (
	"cmp"
	"context"
	"encoding/binary"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
)

// Key is the name of a step in the cache: the hash of its inputs, in
// hexadecimal.
type Key string

// Input is one thing that the result of a step depends on. The names are for
// people, too: "parent", "instruction", "env PATH", "arg VERSION",
// "file app/run.sh".
type Input struct{ Name, Value string }

// NewKey hashes inputs in their order. Each string goes in with its length, so
// that "ab"+"c" and "a"+"bc" are different inputs.
func NewKey(inputs []Input) Key {
	h := digest.NewHasher()
	var buf []byte
	for _, in := range inputs {
		buf = buf[:0]
		for _, s := range []string{in.Name, in.Value} {
			buf = binary.BigEndian.AppendUint64(buf, uint64(len(s)))
			buf = append(buf, s...)
		}
		h.Write(buf)
	}
	return Key(h.Digest().Hex())
}

// String returns the first digits, enough to tell keys apart.
func (k Key) String() string { return string(k[:min(12, len(k))]) }

// narrateKey tells every input of a key.
func narrateKey(ctx context.Context, k Key, inputs []Input) {
	if !explain.Enabled(ctx) {
		return
	}
	ctx = explain.Step(ctx, "cache key %s is the hash of %d inputs", k, len(inputs))
	for _, in := range inputs {
		explain.Step(ctx, "%s = %s", in.Name, cmp.Or(in.Value, `""`))
	}
}

// difference tells the first input by which a new list differs from an old one,
// in the words of a person: "changed file run.sh". It is "" when there is none.
func difference(old, now []Input) string {
	was := make(map[string]string, len(old))
	for _, in := range old {
		was[in.Name] = in.Value
	}
	for _, in := range now {
		v, ok := was[in.Name]
		switch {
		case !ok:
			return "new " + in.Name
		case v != in.Value:
			return "changed " + in.Name
		}
		delete(was, in.Name)
	}
	for _, in := range old {
		if _, left := was[in.Name]; left {
			return "removed " + in.Name
		}
	}
	return ""
}
