//go:build linux

package logs

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Entry is one record: a line, or a part of a long one.
type Entry struct {
	Log    string    `json:"log"`    // exact bytes, the newline included; not always UTF-8
	Stream string    `json:"stream"` // "stdout" or "stderr"
	Time   time.Time `json:"time"`   // UTC
}

// record is an Entry as it stands in the file.
type record struct {
	Log    string    `json:"log"`
	Raw    []byte    `json:"raw"` // base64; in the place of Log when the bytes are not UTF-8
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
}

// decode reads one record, without or with its final newline.
func decode(line []byte) (Entry, error) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return Entry{}, fmt.Errorf("decode log record: %w", err)
	}
	if r.Raw != nil {
		r.Log = string(r.Raw)
	}
	return Entry{Log: r.Log, Stream: r.Stream, Time: r.Time}, nil
}

// appendRecord appends one record and its newline to b. now is the time, in
// RFC 3339. It is written by hand because it stands between a container's
// write(2) and the next: encoding/json costs five times as much.
func appendRecord(b []byte, stream, now string, line []byte) []byte {
	if utf8.Valid(line) {
		b = append(b, `{"log":"`...)
		b = appendEscaped(b, line)
	} else {
		b = append(b, `{"raw":"`...)
		b = base64.StdEncoding.AppendEncode(b, line)
	}
	b = append(b, `","stream":"`...)
	b = append(b, stream...)
	b = append(b, `","time":"`...)
	b = append(b, now...)
	return append(b, '"', '}', '\n')
}

// appendEscaped appends text with the characters escaped that a JSON string
// may not hold (RFC 8259, section 7): quotes, backslashes and controls.
func appendEscaped(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	done := 0 // text[:done] is in b
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, text[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, text[done:]...)
}
