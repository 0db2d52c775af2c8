package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseTime reads a time as docker's filters take it: a duration back from now
// ("10m"), seconds since 1970 with a fraction if need be, or a date with as much
// of the time as is wanted, of this machine's zone unless it names one.
func parseTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		return now.Add(-d), nil
	}
	if t, ok := parseSeconds(text); ok {
		return t, nil
	}
	for _, form := range []string{
		time.RFC3339, // reads fractions too
		"2006-01-02T15:04Z07:00", "2006-01-02Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02",
	} {
		if t, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("failed to parse value as time or duration: %q", text)
}

// parseSeconds reads seconds since 1970: "1700000000", "1700000000.25".
func parseSeconds(text string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < 0 || seconds > math.MaxInt32*100 {
		return time.Time{}, false // no clock shows that
	}
	if len(fraction) > 9 || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	nanoseconds, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(seconds, nanoseconds), true
}
