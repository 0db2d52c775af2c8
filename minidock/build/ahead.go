package build

import (
	"context"
	"slices"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/source"
)

// aheadSize is how many bytes are worth writing ahead.
const aheadSize = 1 << 20

// writeAhead writes the layer before anybody knows whether the cache has it.
//
// The key needs the digest of every file, and then the layer needs its bytes. To
// get one after the other is to read every file twice. So where most of what is
// copied must be read for the key, the layer is written on the way, and the
// context hashes what it is asked to read. If the cache has the step all the same
// (the files are new, but not what is in them) a file was written for nothing, but
// nobody has waited for it to reach the disk.
func (c *copying) writeAhead(ctx context.Context) error {
	if c.image != nil || len(c.paths) == 0 || len(c.downloads) > 0 {
		return nil
	}
	if err := c.pick(ctx); err != nil {
		return err
	}
	if c.unpack && slices.ContainsFunc(c.picks, func(p source.Pick) bool { return p.Dir == "" }) {
		return nil // what is unpacked is not what is hashed
	}
	dir, ok := c.source.(*source.Directory)
	if !ok {
		return nil
	}
	var unread, all int64
	for _, p := range c.picks {
		if p.Text == nil {
			n, of := dir.Unread(p.Files)
			unread, all = unread+n, all+of
		}
	}
	if unread < aheadSize || unread < all/2 {
		return nil
	}
	explain.Step(ctx, "write the layer while the files are read for the key: %d of %d bytes are not known", unread, all)
	var err error
	c.ahead, err = c.write(ctx)
	return err
}

// drop lets go of a layer that was not needed, and of what was downloaded.
func (c *copying) drop() {
	if c.ahead != nil {
		c.ahead.Close()
	}
	for _, d := range c.downloads {
		d.close()
	}
}
