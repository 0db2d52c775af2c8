// Package draw makes pictures of images and containers.
//
// An image is a stack: each step that changed files lies on the one before. A
// container is one more layer on top, thin and its own. Who has seen that drawn once
// does not confuse the two again. There are three pictures:
//
//   - [Stack], one image from the bottom up, and its containers;
//   - [Ancestry], many images: what they share is drawn once, and they part where
//     they differ;
//   - [Tree], the files that each layer adds, changes and removes, and the bytes that
//     nobody sees any more but everybody still carries.
//
// Each of them comes as text for a terminal and as SVG for a page:
//
//	s := draw.Stack{Image: draw.Image{Names: []string{"app:latest"}, Steps: steps}}
//	fmt.Print(s.Text(draw.Options{Width: 80}))
//	os.WriteFile("app.svg", []byte(s.SVG()), 0o644)
//
// Heights are to scale, between a lowest at which the text is readable and a highest
// that fits the page; so a layer of ten bytes and one of ten kilobytes look alike.
//
// Whoever made an image chose its names and commands, so these are hostile. Text
// has no control character left, is cut to the width of the terminal, and counts what
// takes two columns as two. An SVG has no script, no link, no id and nothing to fetch; it
// carries its own background, so it can be read on a light page and on a dark one; and
// what had to be cut is in full in the <title> that shows under the mouse.
//
// What it does not do: look at the store. It draws the values that it is given, and
// the same values give the same bytes.
//
// Specifications: https://www.w3.org/TR/SVG11/ and, for columns,
// https://www.unicode.org/reports/tr11/. The colours stay apart for
// colour-blind eyes, after https://jfly.uni-koeln.de/color/.
//
// Read next: package cli, where `minidock draw` collects what is drawn.
package draw
