package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Garbage may take four times as much memory as what is in use, so that the first
// collection comes at 16 MB: most commands end before it would pay. But where much is in
// use (a build of a million files) that would be too much. Then garbage may take
// maxGarbage, or half of what is in use, which keeps the price of collecting it low.
//
// debug.SetMemoryLimit would do the same up to the limit. Beyond it would collect all
// the time.
const (
	mostGarbage  = 400 // percent
	leastGarbage = 50
	maxGarbage   = 20 << 20 // bytes
)

// limitGarbage sees to that from now on.
func limitGarbage() {
	debug.SetGCPercent(mostGarbage)
	afterCollection(func() { debug.SetGCPercent(garbagePercent(bytesInUse())) })
}

// garbagePercent is how much garbage there may be beside so many bytes in use.
func garbagePercent(inUse uint64) int {
	return int(max(leastGarbage, min(mostGarbage, 100*maxGarbage/max(inUse, 1))))
}

// bytesInUse is how many bytes were in use at the last collection.
func bytesInUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// afterCollection calls f after each collection of garbage: with each goes a piece of
// garbage that is made for it, and the runtime tells when it is gone.
func afterCollection(f func()) {
	piece := new([64]byte) // larger than what the runtime packs together (runtime.SetFinalizer)
	runtime.SetFinalizer(piece, func(*[64]byte) {
		f()
		afterCollection(f)
	})
}
