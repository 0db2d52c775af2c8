//go:build exercise

package layer

// AddWhiteout makes the tree hide name of the layers below. What the engine has for you,
// besides the node that the lesson shows:
//
//	func clean(name string) (string, error)      "/etc/motd/" becomes "etc/motd"; the root is "."
//	func split(name string) (dir, base string)   "etc", "motd"
//	func unsafe(name, why string) error          the error for a name that cannot be
//	func (t *Tree) directory(name, dir string) (*node, error)
//	                                             the node of dir, made if it is not there yet; name is for errors
//
//	n.children[base]    is nil if this layer has no such entry, so far
//	n.hidden            is nil as long as the directory n has no whiteout
//
// There are three cases: this layer has no entry of that name, or a file, or a directory.
// put, which the lesson shows, is the other half: there the entry comes after the whiteout.
//
// A hostile archive may hold a million whiteouts. So that it is stopped in time, each one
// that is kept is counted: t.memory += int64(len(base)) + 64.
func (t *Tree) AddWhiteout(name string) error {
	return nil
}
