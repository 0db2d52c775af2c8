package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// unmarshal is json.Unmarshal for documents that have a digest. Such a document
// must not mean two things: a reader takes the first of two equal keys and another
// one the last; Go's takes "Layers" for "layers" and most others do not. Then one
// could scan an image and the other run another one under the same digest. And
// bytes that are not UTF-8 would silently become others. (RFC 8259, sections 4 and
// 8.1 leave all of this open.)
func unmarshal(b []byte, v any) error {
	if !utf8.Valid(b) {
		return errors.New("the document is not UTF-8")
	}
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	return checkKeys(b)
}

// free are the fields whose keys are anybody's, so that two may differ only in
// upper and lower case.
func free(field string) bool {
	switch strings.ToLower(field) {
	case "annotations", "labels", "exposedports", "volumes":
		return true
	}
	return false
}

// level is an object or list that the reader is in.
type level struct {
	keys  map[string]bool // of an object, folded; nil in a list
	exact bool            // keys may differ in case
	key   string          // the last key
	next  bool            // a key comes next, and not a value
}

// checkKeys refuses an object that has a key twice. b is valid JSON. (A
// json.Decoder could do this in fewer lines and ten times the time.)
func checkKeys(b []byte) error {
	stack := []level{{}}
	for i := 0; i < len(b); i++ {
		top := &stack[len(stack)-1]
		switch b[i] {
		case '{':
			stack = append(stack, level{keys: map[string]bool{}, exact: free(top.key), next: true})
		case '[':
			stack = append(stack, level{})
		case '}', ']':
			stack = stack[:len(stack)-1]
		case ',':
			top.next = top.keys != nil
		case ':':
			top.next = false
		case '"':
			n := lengthOfString(b[i:])
			if top.next {
				if err := top.add(b[i : i+n]); err != nil {
					return err
				}
			}
			i += n - 1
		}
	}
	return nil
}

// lengthOfString returns how long the string is that b begins with, quotes included.
func lengthOfString(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++ // whatever is escaped, it ends no string
		}
	}
	return len(b)
}

// add notes a key as it stands in the text.
func (l *level) add(quoted []byte) error {
	l.key = string(quoted[1 : len(quoted)-1])
	if strings.Contains(l.key, `\`) {
		if err := json.Unmarshal(quoted, &l.key); err != nil {
			return err
		}
	}
	folded := l.key
	if !l.exact && strings.Trim(l.key, "abcdefghijklmnopqrstuvwxyz_") != "" {
		folded = strings.ToLower(strings.ToUpper(l.key)) // as json folds, which takes U+017F for an s
	}
	if l.keys[folded] {
		return fmt.Errorf("the key %q is there twice, perhaps in other letters: the document could be read in two ways", l.key)
	}
	l.keys[folded] = true
	return nil
}
