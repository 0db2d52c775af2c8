//go:build exercise

package union

// lookup searches a clean name, like "etc/passwd", or "." for the root. What is there
// already:
//
//	v.layers                       // []*layer.Tree, bottom first; of one of them, t:
//	e, ok := t.Lookup(name)        // what this layer has under that name
//	hidden := t.IsWhiteout(name)   // whether it hides the name of the layers below
//
//	v.parts(dir)                   // the numbers of the layers that make up a directory,
//	                               // in the order in which they are to be asked
//	v.root()                       // the file that "." shows
//	v.linked(e, i)                 // the file for the entry e of layer number i
//	file{layer: -1}                // there is none
//
// path.Dir("etc/passwd") is "etc", and path.Dir("etc") is ".".
func (v *View) lookup(name string) file {
	return file{layer: -1}
}
