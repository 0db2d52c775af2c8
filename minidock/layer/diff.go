package layer

import "time"

// DiffOptions say what Diff writes. The zero value is for root.
type DiffOptions struct {
	// UserXattr says that the directory belongs to an overlay mounted with
	// userxattr: its marks are named user.overlay.… and not trusted.overlay.….
	UserXattr bool

	// Clamp is the latest time of any entry; later ones become it. With the same
	// contents and the same Clamp two builds make the same bytes. (The idea and
	// the rule are SOURCE_DATE_EPOCH's, https://reproducible-builds.org/specs/.)
	Clamp *time.Time

	// Live says that the directory is in use: it is the root of a container. A
	// file that changes while it is read is cut, or filled with zeros, to the
	// length that it had. What disappears is left out, and so are names that
	// begin with ".wh.", with a line in the narration.
	Live bool
}
