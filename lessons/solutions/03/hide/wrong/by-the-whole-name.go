//go:build exercise

// message: by the last part of the name

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
	parent, err := t.directory(name, dir)
	if err != nil {
		return err
	}
	if own := parent.children[base]; own != nil {
		own.opaque = own.entry.IsDir()
		return nil
	}
	if parent.hidden == nil {
		parent.hidden = make(map[string]bool)
	}
	parent.hidden[name] = true
	t.memory += int64(len(base)) + 64
	return nil
}
