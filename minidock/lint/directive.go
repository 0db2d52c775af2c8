package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wanted is what the directive check asks for:
//
//	# check=skip=RuleA,RuleB;error=true
//	# check=skip=all
//	# check=experimental=RuleC
type wanted struct {
	skip, experimental []string
	errors             bool // warnings are errors
}

func parseCheck(text string) (w wanted, err error) {
	for option := range strings.SplitSeq(text, ";") {
		option = strings.TrimSpace(option)
		if option == "" {
			continue
		}
		key, value, _ := strings.Cut(option, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "skip":
			w.skip = names(value)
		case "experimental":
			w.experimental = names(value)
		case "error":
			if w.errors, err = strconv.ParseBool(value); err != nil {
				return wanted{}, fmt.Errorf("check: error=%s is neither true nor false", value)
			}
		default:
			return wanted{}, fmt.Errorf("check: invalid option %q (there are skip, error and experimental)", option)
		}
	}
	return w, nil
}

func names(list string) []string {
	var all []string
	for name := range strings.SplitSeq(list, ",") {
		all = append(all, strings.TrimSpace(name))
	}
	return all
}

func (w wanted) skips(r Rule) bool {
	if r.Optional && !has(w.experimental, r.Name) {
		return true
	}
	return has(w.skip, r.Name)
}

func has(list []string, name string) bool {
	return slices.Contains(list, name) || slices.Contains(list, "all")
}

// level: advice does not become an error, as files that ask for errors were
// written with the rules of all builders in mind.
func (w wanted) level(r Rule) string {
	if w.errors && r.Level == Warning {
		return Error
	}
	return r.Level
}
