//go:build linux

package toolbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func date(t *tool) error {
	o, err := t.operands(0, "ud:RIs:", map[string]byte{"utc": 'u', "date": 'd', "iso-8601": 'I'})
	if err != nil {
		return err
	}
	when := time.Now()
	if o.has('d') {
		if when, err = parseDate(o.value['d']); err != nil {
			return err
		}
	}
	if o.has('u') {
		when = when.UTC()
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	switch {
	case len(o.args) > 0 && strings.HasPrefix(o.args[0], "+"):
		format = o.args[0][1:]
	case len(o.args) > 0:
		return fmt.Errorf("invalid date '%s'", o.args[0])
	case o.has('I'):
		format = "%Y-%m-%d"
	case o.has('R'):
		format = "%a, %d %b %Y %H:%M:%S %z"
	}
	_, err = fmt.Fprintln(t.out, formatTime(format, when))
	return err
}

// formatTime is strftime(3) in the C locale.
func formatTime(format string, when time.Time) string {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'd': "02", 'e': "_2", 'm': "01",
		'y': "06", 'Y': "2006", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'Z': "MST", 'z': "-0700",
		'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006", 'r': "03:04:05 PM",
	}
	return percent(format, func(verb byte) (string, bool) {
		switch verb {
		case 's':
			return strconv.FormatInt(when.Unix(), 10), true
		case 'N':
			return fmt.Sprintf("%09d", when.Nanosecond()), true
		case 'j':
			return fmt.Sprintf("%03d", when.YearDay()), true
		case 'u':
			return strconv.Itoa((int(when.Weekday())+6)%7 + 1), true
		case 'n':
			return "\n", true
		case 't':
			return "\t", true
		}
		layout, known := layouts[verb]
		return when.Format(layout), known
	})
}

// parseDate reads "@1700000000" and the usual ways to write a date.
func parseDate(text string) (time.Time, error) {
	if text == "now" {
		return time.Now(), nil
	}
	if seconds, isEpoch := strings.CutPrefix(text, "@"); isEpoch {
		n, err := strconv.ParseInt(seconds, 10, 64)
		if err == nil {
			return time.Unix(n, 0), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if when, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return when, nil
		}
	}
	return time.Time{}, fmt.Errorf("invalid date '%s'", text)
}

func sleep(t *tool) error {
	if len(t.args) == 0 {
		return fmt.Errorf("missing operand")
	}
	var total time.Duration
	for _, arg := range t.args {
		part, err := parseSleep(arg)
		if err != nil {
			return err
		}
		total += part
	}
	time.Sleep(total)
	return nil
}

// parseSleep reads a number of seconds, or of the unit behind it, or infinity.
func parseSleep(text string) (time.Duration, error) {
	if text == "infinity" || text == "inf" {
		return 1<<63 - 1, nil
	}
	unit, digits := time.Second, text
	for suffix, u := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour} {
		if trimmed, ok := strings.CutSuffix(text, suffix); ok {
			unit, digits = u, trimmed
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("invalid time interval '%s'", text)
	}
	return time.Duration(n * float64(unit)), nil
}
