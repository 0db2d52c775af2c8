package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"path"
	"runtime"
	"strings"
	"sync"

	"minidock.dev/minidock/layer"
)

// batch is how many files are looked up at once.
const batch = 4096

// Sums returns the digests of files. Those that are known already are not read.
func (d *Directory) Sums(ctx context.Context, files iter.Seq[layer.Entry]) ([]Sum, error) {
	var sums []Sum
	for some := range batches(files) {
		var err error
		if sums, err = d.appendSums(ctx, sums, some); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

func (d *Directory) appendSums(ctx context.Context, sums []Sum, files []layer.Entry) ([]Sum, error) {
	var unknown []layer.Entry
	list := d.knowledge(files)
	for i, k := range list {
		if k == none {
			unknown = append(unknown, files[i])
		}
	}
	if len(unknown) > 0 {
		if err := d.readAll(ctx, unknown); err != nil {
			return nil, err
		}
		list = d.knowledge(files)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, k := range list {
		if k == none {
			return nil, fmt.Errorf("copy %s: the file was not read", files[i].Name)
		}
		sums = append(sums, d.memory.sum(k))
	}
	return sums, nil
}

// batches yields the regular files in lists, which last until the next.
func batches(files iter.Seq[layer.Entry]) iter.Seq[[]layer.Entry] {
	return func(yield func([]layer.Entry) bool) {
		var list []layer.Entry
		for e := range files {
			if e.Type != layer.TypeReg {
				continue
			}
			if list = append(list, e); len(list) == batch {
				if !yield(list) {
					return
				}
				list = list[:0]
			}
		}
		if len(list) > 0 {
			yield(list)
		}
	}
}

// Unread is how many bytes Sums would have to read, and how many all regular files
// have. Who reads files with Read first need not read them again for Sums.
func (d *Directory) Unread(files iter.Seq[layer.Entry]) (unread, all int64) {
	for some := range batches(files) {
		for i, k := range d.knowledge(some) {
			if all += some[i].Size; k == none {
				unread += some[i].Size
			}
		}
	}
	return unread, all
}

// knowledge returns the records of files. Most files follow each other as they do in
// their directory, so the place after the last one is where to look first.
func (d *Directory) knowledge(files []layer.Entry) []known {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]known, len(files))
	var dir string
	var there []file
	next := 0
	for i, e := range files {
		slash := strings.LastIndexByte(e.Name, '/')
		base := e.Name[slash+1:]
		if there == nil || e.Name[:max(slash, 0)] != dir {
			dir, there, next = e.Name[:max(slash, 0)], d.dirs[path.Dir(e.Name)], 0
		}
		if next >= len(there) || there[next].base != base {
			next, _ = position(there, base)
		}
		if list[i] = none; next < len(there) && there[next].base == base {
			list[i] = there[next].known
			next++
		}
	}
	return list
}

// readAll reads files for their digests alone, on all processors.
func (d *Directory) readAll(ctx context.Context, files []layer.Entry) error {
	workers := min(runtime.GOMAXPROCS(0), (len(files)+63)/64)
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		part := files[w*len(files)/workers : (w+1)*len(files)/workers]
		group.Go(func() { errs[w] = d.readSome(ctx, part) })
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) readSome(ctx context.Context, files []layer.Entry) error {
	o := opener{dir: d, hash: sha256.New()}
	defer o.close()
	buf := make([]byte, piece)
	for _, e := range files {
		c, err := o.open(e)
		for err == nil {
			if err = ctx.Err(); err == nil {
				_, err = c.Read(buf)
			}
		}
		c.close()
		if err != io.EOF {
			return err
		}
	}
	return nil
}
