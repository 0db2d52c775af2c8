package source

import (
	"fmt"
	"hash"
	"io"
	"path"
	"time"

	"minidock.dev/minidock/layer"
)

// An opener opens files, most of them in the directory of the one before.
type opener struct {
	dir    *Directory
	folder folder
	name   string // of the folder; "" if none is open
	hash   hash.Hash
}

func (o *opener) close() {
	if o.name != "" {
		o.folder.Close()
	}
	o.name = ""
}

// contents are the bytes of a file. To have read them to their end is to know their
// digest.
type contents struct {
	entry  layer.Entry
	opener *opener
	handle handle
	opened bool
	begun  time.Time // when it was opened
	before stamp     // what it had then
	trust  bool      // the digest is known, and it is the same file
	left   int64     // bytes
}

// open makes sure that the file is still the one that was listed. Else its new
// content would be remembered in the cache under the key of the old one.
func (o *opener) open(e layer.Entry) (contents, error) {
	c := contents{entry: e, opener: o, left: e.Size}
	dir := path.Dir(e.Name)
	if o.name != dir {
		o.close()
		var err error
		if o.folder, err = openFolder(o.dir.root, dir); err != nil {
			return c, fmt.Errorf("copy %s: %w", e.Name, err)
		}
		o.name = dir
	}
	c.begun = time.Now()
	var err error
	if c.handle, err = o.folder.open(path.Base(e.Name)); err != nil {
		return c, fmt.Errorf("copy %s: %w", e.Name, err)
	}
	c.opened = true
	now, err := c.stat()
	if err == nil {
		c.before, c.trust = now.stamp, o.dir.trusts(e.Name, now.stamp)
		o.hash.Reset()
	}
	return c, err
}

func (c *contents) close() {
	if c.opened {
		c.handle.Close()
	}
	c.opened = false
}

// stat looks at the open file, which must be the one that was listed.
func (c *contents) stat() (file, error) {
	now, err := c.handle.stat()
	if err != nil {
		return now, fmt.Errorf("copy %s: %w", c.entry.Name, err)
	}
	if now.kind != layer.TypeReg || now.stamp.size != c.entry.Size || now.stamp.mtime != c.entry.ModTime.UnixNano() {
		return now, c.changed()
	}
	return now, nil
}

func (c *contents) changed() error {
	return fmt.Errorf("copy %s: the file was changed during the build", c.entry.Name)
}

// Read returns io.EOF once the file has turned out not to have changed meanwhile.
func (c *contents) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, c.finish()
	}
	n, err := c.handle.Read(p[:min(int64(len(p)), c.left)])
	if c.left -= int64(n); !c.trust {
		c.opener.hash.Write(p[:n])
	}
	switch {
	case err == io.EOF: // too early
		return n, c.changed()
	case err != nil:
		return n, fmt.Errorf("copy %s: %w", c.entry.Name, err)
	}
	return n, nil
}

// finish remembers the digest.
func (c *contents) finish() error {
	now, err := c.stat()
	if err != nil {
		return err
	}
	if c.trust && now.stamp != c.before {
		return c.changed()
	}
	if !c.trust {
		if err := c.opener.dir.learn(c, now.stamp); err != nil {
			return err
		}
	}
	return io.EOF
}

// trusts reports whether the digest of a file is known without reading it.
func (d *Directory) trusts(name string, now stamp) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.lookup(name)
	return err == nil && f.known != none && f.stamp == now && d.memory.flags(f.known)&flagUnsettled == 0
}

// learn notes the digest of a file that was read.
func (d *Directory) learn(c *contents, now stamp) error {
	sum := Sum(c.opener.hash.Sum(nil))
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.lookup(c.entry.Name)
	if err != nil {
		return fmt.Errorf("copy %s: %w", c.entry.Name, err)
	}
	if f.known != none {
		// A program may set the time of a file to what it was (utimensat(2)).
		if d.memory.sum(f.known) != sum {
			return c.changed()
		}
		return nil
	}
	var flags byte
	if len(c.entry.Xattrs) > 0 {
		flags |= flagAttributes
	}
	// Its time of change alone may differ, if somebody has made a link to it.
	if now != f.stamp || c.before != f.stamp || !f.stamp.settled(c.begun) {
		flags |= flagUnsettled
	}
	f.known = d.memory.add(f.stamp, sum, flags)
	return nil
}
