package layout

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
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

// plainDescriptor decodes an entry as minidock and most tools write it: four known
// fields and no escapes. ok is false for anything else, which package json decodes,
// five times as slowly: that is most of the time of `images`.
func plainDescriptor(raw []byte) (d oci.Descriptor, ok bool) {
	if raw[0] != '{' || bytes.IndexByte(raw, '\\') >= 0 || !utf8.Valid(raw) {
		return d, false
	}
	for _, pair := range cut(raw) {
		key, value := keyOf(pair)
		switch {
		case key == "mediaType" && isString(value):
			d.MediaType = unquote(value)
		case key == "digest" && isString(value):
			d.Digest = digest.Digest(unquote(value))
		case key == "size":
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return d, false
			}
			d.Size = n
		case key == "annotations" && d.Annotations == nil:
			if d.Annotations, ok = plainMap(value); !ok {
				return d, false
			}
		default:
			return d, false
		}
	}
	return d, true
}

// plainMap decodes an object of strings.
func plainMap(object []byte) (m map[string]string, ok bool) {
	if len(object) == 0 || object[0] != '{' {
		return nil, false
	}
	pairs := cut(object)
	m = make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value := keyOf(pair)
		if !isString(value) {
			return nil, false
		}
		m[key] = unquote(value)
	}
	return m, true
}

func isString(value []byte) bool { return len(value) > 1 && value[0] == '"' }
