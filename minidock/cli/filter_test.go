package cli

import (
	"strings"
	"testing"
	"time"
)

func TestFilters(t *testing.T) {
	var f filters
	for _, text := range []string{" LABEL =a", "label=b=2", "label!=no", "Dangling=1", ""} {
		if err := f.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := f.check("label", "label!"); err == nil || err.Error() != "invalid filter 'dangling'" {
		t.Errorf("an unknown key: %v", err)
	}
	for _, test := range []struct {
		labels string
		want   bool
	}{{"a b=2", true}, {"a=x b=2", true}, {"a b", false}, {"b=2", false}, {"a b=2 no", false}} {
		labels := map[string]string{}
		for _, word := range strings.Fields(test.labels) {
			key, value, _ := strings.Cut(word, "=")
			labels[key] = value
		}
		if got := f.matchLabels(labels); got != test.want {
			t.Errorf("%v: %v", labels, got)
		}
	}
	if value, given, err := f.truth("dangling"); !value || !given || err != nil {
		t.Errorf("dangling: %v %v %v", value, given, err)
	}
	f.Set("dangling=false")
	if _, _, err := f.truth("dangling"); err == nil || err.Error() != "invalid filter 'dangling=[1 false]'" {
		t.Errorf("dangling both ways: %v", err)
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"10m":                       now.Add(-10 * time.Minute),
		"24h":                       now.Add(-24 * time.Hour),
		"0":                         time.Unix(0, 0),
		"1700000000":                time.Unix(1700000000, 0),
		"1700000000.25":             time.Unix(1700000000, 250_000_000),
		"2024-01-02":                time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC),
		"2024-01-02T03:04":          time.Date(2024, 1, 2, 3, 4, 0, 0, time.UTC),
		"2024-01-02T03:04:05.5":     time.Date(2024, 1, 2, 3, 4, 5, 500_000_000, time.UTC),
		"2024-01-02T03:04:05+02:00": time.Date(2024, 1, 2, 1, 4, 5, 0, time.UTC),
	} {
		if got, err := parseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-5", "1e9", "2024-13-01", "1700000000.x", "99999999999999999999"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("parseTime(%q) = %v", text, got)
		}
	}
}
