package layout

import (
	"bytes"
	"encoding/json"
)

// cut returns the elements of a JSON list, or the "key": value pairs of an object,
// as they stand in the text, which json.Valid has found to be right. (To decode
// the whole of an index of a thousand images takes ten times as long as to find
// the one entry that is wanted.)
func cut(text []byte) (parts [][]byte) {
	depth, start := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += endOfString(text[i:])
		case '{', '[':
			if depth++; depth == 1 {
				start = i + 1
			}
		case '}', ']':
			if depth--; depth == 0 {
				if last := bytes.TrimSpace(text[start:i]); len(last) > 0 {
					parts = append(parts, last)
				}
			}
		case ',':
			if depth == 1 {
				parts = append(parts, bytes.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	return parts
}

// endOfString returns where the closing quote of the string is that text begins
// with.
func endOfString(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i
		case '\\':
			i++ // whatever is escaped, it ends no string
		}
	}
	return len(text)
}

// keyOf divides a "key": value pair. What is none, an element of a list, has no key.
func keyOf(pair []byte) (key string, value []byte) {
	if len(pair) == 0 || pair[0] != '"' {
		return "", nil
	}
	n := endOfString(pair) + 1
	value, ok := bytes.CutPrefix(bytes.TrimSpace(pair[n:]), []byte(":"))
	if !ok {
		return "", nil
	}
	return unquote(pair[:n]), bytes.TrimSpace(value)
}

// unquote returns the text of a JSON string, "" if value is none.
func unquote(value []byte) (s string) {
	if len(value) > 1 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	_ = json.Unmarshal(value, &s)
	return s
}
