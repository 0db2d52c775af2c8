//go:build linux

package toolbox

import (
	"fmt"
	"strings"
)

// options are the flags that a utility was called with.
type options struct {
	set   map[byte]bool
	value map[byte]string
	args  []string // what is not a flag
}

func (o options) has(flag byte) bool { return o.set[flag] }

// getopt reads flags as getopt(3) does: letters combine (-la), a letter that is
// followed by a colon in spec takes a value (-n5 or -n 5), "--" ends the flags,
// and flags may come behind operands. Of the long flags it knows those that
// long gives a letter, such as "recursive" 'r'.
func getopt(args []string, spec string, long map[string]byte) (options, error) {
	o := options{set: map[byte]bool{}, value: map[byte]string{}}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			o.args = append(o.args, args...)
			return o, nil
		case strings.HasPrefix(arg, "--"):
			name, value, valued := strings.Cut(arg[2:], "=")
			letter, known := long[name]
			if !known {
				return o, fmt.Errorf("unrecognized option: %s", name)
			}
			o.set[letter] = true
			if valued {
				o.value[letter] = value
			}
		case len(arg) > 1 && arg[0] == '-':
			rest, err := o.letters(arg[1:], args, spec)
			if err != nil {
				return o, err
			}
			args = rest
		default:
			o.args = append(o.args, arg)
		}
	}
	return o, nil
}

// letters takes one argument of combined letters, and the argument behind it
// when the last letter wants a value.
func (o *options) letters(letters string, rest []string, spec string) ([]string, error) {
	for i := range len(letters) {
		letter := letters[i]
		at := strings.IndexByte(spec, letter)
		if at < 0 || letter == ':' {
			return rest, fmt.Errorf("invalid option -- '%c'", letter)
		}
		o.set[letter] = true
		if at+1 == len(spec) || spec[at+1] != ':' {
			continue
		}
		if i+1 < len(letters) {
			o.value[letter] = letters[i+1:]
			return rest, nil
		}
		if len(rest) == 0 {
			return rest, fmt.Errorf("option requires an argument -- '%c'", letter)
		}
		o.value[letter] = rest[0]
		return rest[1:], nil
	}
	return rest, nil
}

// operands is getopt for a utility that needs at least so many operands.
func (t *tool) operands(atLeast int, spec string, long map[string]byte) (options, error) {
	o, err := getopt(t.args, spec, long)
	if err == nil && len(o.args) < atLeast {
		err = fmt.Errorf("missing operand")
	}
	return o, err
}
