package source

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkUnchanged is what an unchanged context of 10,000 files costs: it is
// listed, and every file turns out to be known.
func BenchmarkUnchanged(b *testing.B) {
	many := map[string]string{}
	for i := range 10000 {
		many[fmt.Sprintf("d%02d/f%d", i%100, i)] = fmt.Sprint(i)
	}
	dir, memory := writeTree(b, many), b.TempDir()
	for first := true; b.Loop(); first = false {
		d, err := OpenDirectory(dir, nil, DirectoryOptions{Remember: memory})
		if err != nil {
			b.Fatal(err)
		}
		picks, err := PickAll(d, []string{"."}, everything)
		if err != nil {
			b.Fatal(err)
		}
		if unread, _ := d.Unread(picks[0].Files); unread > 0 && !first {
			b.Fatalf("%d bytes are not known", unread)
		}
		if first {
			if _, err := d.Sums(context.Background(), picks[0].Files); err != nil {
				b.Fatal(err)
			}
		}
		d.Close()
	}
}
