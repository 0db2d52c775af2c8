package cli

import "testing"

func TestGarbagePercent(t *testing.T) {
	for inUse, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 5 << 20: 400, // the first collection is late
		10 << 20: 200, 40 << 20: 50, // as much as maxGarbage
		1 << 30: 50, 1 << 62: 50, // but collecting must not be all that is done
	} {
		if got := garbagePercent(inUse); got != want {
			t.Errorf("%d bytes in use: %d percent, want %d", inUse, got, want)
		}
	}
}
