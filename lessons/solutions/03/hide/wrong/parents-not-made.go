//go:build exercise

// message: A whiteout is lost whose directory this layer has not mentioned.

package layer

// AddWhiteout makes the tree hide name of the layers below.
func (t *Tree) AddWhiteout(name string) error {
	name, err := clean(name)
	if err != nil {
		return err
	}
	if name == "." {
		return unsafe(name, "the root cannot be hidden")
	}
	dir, base := split(name)
	parent := t.find(dir)
	if parent == nil {
		return nil // nothing there, so nothing to hide
	}
	if own := parent.children[base]; own != nil {
		own.opaque = own.entry.IsDir()
		return nil
	}
	if parent.hidden == nil {
		parent.hidden = make(map[string]bool)
	}
	parent.hidden[base] = true
	t.memory += int64(len(base)) + 64
	return nil
}
