package build

import (
	"fmt"
	"strconv"
	"strings"

	"minidock.dev/minidock/layer"
)

// modeChange is a --chmod: what becomes of the mode of a file. The zero modeChange
// leaves it as it is.
type modeChange struct {
	octal   bool
	mode    int64 // of an octal one
	clauses []modeClause
}

// modeClause is one operation of a symbolic mode, such as "go+rX" (chmod(1p)).
type modeClause struct {
	who  int64  // the bits that it may touch
	op   byte   // '+', '-' or '='
	bits int64  // the permissions to give or take, for all of u, g and o
	x    bool   // X: execute, if it is a directory or if somebody may execute it already
	copy []byte // "ugo": permissions as these have them
}

// The bits that the classes of users own (inode(7)). The sticky bit is nobody's.
const (
	userBits  = 0o4700
	groupBits = 0o2070
	otherBits = 0o0007
	allBits   = userBits | groupBits | otherBits
	sticky    = 0o1000
)

// parseMode reads an octal mode, or a symbolic one: clauses between commas, each with
// whom it is about and what to do.
//
//	755            octal
//	u=rwX,go=rX    the owner may write, and what could be executed still can
//	+x             everybody; the umask does not matter here, it is another on each machine
func parseMode(s string) (modeChange, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	switch {
	case err == nil && n <= 0o7777:
		return modeChange{octal: true, mode: int64(n)}, nil
	case s == "" || s[0] >= '0' && s[0] <= '9':
		return modeChange{}, badMode(s)
	}
	var m modeChange
	for clause := range strings.SplitSeq(s, ",") {
		clauses, ok := parseClauses(clause)
		if !ok {
			return modeChange{}, badMode(s)
		}
		m.clauses = append(m.clauses, clauses...)
	}
	return m, nil
}

func badMode(s string) error {
	return fmt.Errorf("invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777, or symbolic like u=rwX,go=rX", s)
}

// parseClauses reads the classes of users and one operation or more: "u+r-w".
func parseClauses(s string) (clauses []modeClause, ok bool) {
	rest := strings.TrimLeft(s, "ugoa")
	var who int64
	for _, class := range s[:len(s)-len(rest)] {
		who |= bitsOf(byte(class))
	}
	if who == 0 {
		who = allBits | sticky
	}
	for rest != "" {
		c := modeClause{who: who, op: rest[0]}
		if !strings.Contains("+-=", rest[:1]) {
			return nil, false
		}
		rest = c.permissions(rest[1:])
		clauses = append(clauses, c)
	}
	return clauses, len(clauses) > 0
}

// bitsOf returns the bits that a class of users owns.
func bitsOf(class byte) int64 {
	switch class {
	case 'u':
		return userBits
	case 'g':
		return groupBits
	case 'o':
		return otherBits
	}
	return allBits | sticky
}

// permissions reads what stands behind + - or =, and returns what follows it.
func (c *modeClause) permissions(s string) string {
	for i := range len(s) {
		switch s[i] {
		case 'r':
			c.bits |= 0o444
		case 'w':
			c.bits |= 0o222
		case 'x':
			c.bits |= 0o111
		case 'X':
			c.x = true
		case 's':
			c.bits |= 0o6000
		case 't':
			c.bits |= sticky
		case 'u', 'g', 'o':
			c.copy = append(c.copy, s[i])
		default:
			return s[i:]
		}
	}
	return ""
}

// of changes the mode of a file. A symbolic link has none.
func (m modeChange) of(e layer.Entry) layer.Entry {
	switch {
	case e.Type == layer.TypeSymlink:
	case m.octal:
		e.Mode = m.mode
	default:
		was := e.Mode
		for _, c := range m.clauses {
			e.Mode = c.apply(e.Mode, e.IsDir() || was&0o111 != 0)
		}
	}
	return e
}

func (c modeClause) apply(mode int64, executable bool) int64 {
	bits := c.bits
	if c.x && executable {
		bits |= 0o111
	}
	for _, class := range c.copy {
		bits |= replicate(mode, class)
	}
	bits &= c.who
	switch c.op {
	case '+':
		return mode | bits
	case '-':
		return mode &^ bits
	}
	return mode&^c.who | bits
}

// replicate gives to everybody what one class of users has.
func replicate(mode int64, class byte) int64 {
	switch class {
	case 'u':
		mode >>= 6
	case 'g':
		mode >>= 3
	}
	return mode & 7 * 0o111
}
