package build

import (
	"fmt"
	"testing"
)

// BenchmarkCached is a rebuild with nothing changed: the number that decides
// whether people wait for their builds.
func BenchmarkCached(b *testing.B) {
	for _, c := range []struct {
		name    string
		kitchen func(b *testing.B) *kitchen
	}{
		{"article", func(b *testing.B) *kitchen { return articleKitchen(b) }},
		{"10000files", manyFiles},
	} {
		b.Run(c.name, func(b *testing.B) {
			k := c.kitchen(b)
			k.build(article)
			k.quick = true
			for b.Loop() {
				if o := k.build(article); o.cached() != "ccc" {
					b.Fatalf("not cached: %s", o.cached())
				}
			}
		})
	}
}

// BenchmarkCold is the first build of 10,000 files of 4 KiB.
func BenchmarkCold(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		k := manyFiles(b)
		k.quick = true
		b.StartTimer()
		k.build(article)
	}
}

func manyFiles(b *testing.B) *kitchen {
	k := articleKitchen(b)
	content := make([]byte, 4096)
	for i := range 10000 {
		copy(content, fmt.Sprint(i))
		k.write(fmt.Sprintf("d%02d/e%d/f%d", i%20, i%10, i), string(content))
	}
	return k
}

// BenchmarkSettings builds a Dockerfile of a thousand ENV lines: new, and from the cache.
func BenchmarkSettings(b *testing.B) {
	text := "FROM scratch\n"
	for n := range 1000 {
		text += fmt.Sprintf("ENV NAME%d=value%d\n", n, n)
	}
	for _, cached := range []bool{false, true} {
		b.Run(fmt.Sprintf("cached=%t", cached), func(b *testing.B) {
			k := newKitchen(b, nil)
			k.quick = true
			k.build(text)
			k.opt.NoCache = !cached
			for b.Loop() {
				k.build(text)
			}
		})
	}
}
