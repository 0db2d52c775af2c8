//go:build exercise

package layer

// Whiteout says that the layers below lose name, with everything beneath it. What the
// engine has for you:
//
//	const WhiteoutPrefix = ".wh."
//	func clean(name string) (string, error)      "/etc/motd/" becomes "etc/motd"; refuses ".." in a name
//	func split(name string) (dir, base string)   "etc", "motd"; of the root "." both are "."
//	func unsafe(name, why string) error          the error for a name that cannot be
//	func (w *Writer) mark(name string) error     writes an empty file of that name, with no attributes
//
// Some names cannot be hidden. The root itself is one. Which others would come out as
// something else at the reader's end? Look at interpret in the lesson. For them the
// result is unsafe(name, "..."), and nothing is written.
func (w *Writer) Whiteout(name string) error {
	return w.mark(WhiteoutPrefix + name)
}
