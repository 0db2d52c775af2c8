package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// filters are what --filter asks for: the values of each key. It is a
// pflag.Value.
type filters map[string][]string

// Set reads key=value.
func (f *filters) Set(text string) error {
	if text == "" {
		return nil
	}
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("bad format of filter (expected name=value)")
	}
	if *f == nil {
		*f = filters{}
	}
	key = strings.ToLower(strings.TrimSpace(key))
	(*f)[key] = append((*f)[key], strings.TrimSpace(value))
	return nil
}

func (f *filters) String() string { return "" }

// Type is the placeholder on the help page.
func (f *filters) Type() string { return "filter" }

// check refuses keys that a verb does not know: to pass over a filter would be to
// do more than was asked.
func (f filters) check(known ...string) error {
	for _, key := range slices.Sorted(maps.Keys(f)) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("invalid filter '%s'", key)
		}
	}
	return nil
}

// truth reads a key that is true or false; given tells whether it is there.
func (f filters) truth(key string) (value, given bool, err error) {
	values, given := f[key]
	if !given {
		return false, false, nil
	}
	yes := slices.Contains(values, "true") || slices.Contains(values, "1")
	no := slices.Contains(values, "false") || slices.Contains(values, "0")
	if yes == no {
		return false, true, fmt.Errorf("invalid filter '%s=%v'", key, values)
	}
	return yes, true, nil
}

// until reads the key of that name: the earliest of the times, zero if there is
// none.
func (f filters) until(now time.Time) (earliest time.Time, err error) {
	for _, value := range f["until"] {
		t, err := parseTime(value, now)
		if err != nil {
			return time.Time{}, err
		}
		if earliest.IsZero() || t.Before(earliest) {
			earliest = t
		}
	}
	return earliest, nil
}

// matchLabels reports whether the labels are all of those that label= asks for,
// and none of those that label!= forbids. (docker spares only what has all of the
// forbidden ones. That deletes more than somebody who lists two expects.)
func (f filters) matchLabels(labels map[string]string) bool {
	for _, want := range f["label"] {
		if !hasLabel(labels, want) {
			return false
		}
	}
	for _, forbidden := range f["label!"] {
		if hasLabel(labels, forbidden) {
			return false
		}
	}
	return true
}

// hasLabel looks for "key" or "key=value".
func hasLabel(labels map[string]string, want string) bool {
	key, value, exact := strings.Cut(want, "=")
	got, ok := labels[key]
	return ok && (!exact || got == value)
}
