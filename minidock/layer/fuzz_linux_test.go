package layer

import "testing"

// Whatever the archive, nothing beside the target is made, changed or read, and
// what Apply made is what ReadTree says.
func FuzzApply(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		a := newAround(t)
		opt := ApplyOptions{UserXattr: true, Squash: true, MaxSize: fuzzLimit, MaxEntries: 1000}
		if err := a.apply(data, opt); err == nil {
			sameAsTree(t, a.target, data, opt)
		}
	})
}
