package dockerfile

import (
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	env, _, _ := environment([]string{"v=value", "empty=", "path=/usr/lib/libc.so.6", "star=a*b", "quote=\"$v'"})
	const (
		failed   = "failed to process "
		unclosed = "syntax error: missing '}'"
	)
	for word, want := range map[string]string{
		"":                       "",
		"plain":                  "plain",
		"$v":                     "value",
		"a${v}b":                 "avalueb",
		"$vb$v.c":                "value.c",
		"$":                      "$",
		"a$ b":                   "a$ b",
		"$1v":                    "v",
		"$none":                  "",
		`\$v`:                    "$v",
		`\\$v`:                   `\value`,
		`'$v'`:                   "$v",
		`"$v"`:                   "value",
		`"\$v \" \\ \a"`:         `$v " \ \a`,
		`a\b\ c`:                 "ab c",
		`"a"'b'c`:                "abc",
		"$quote":                 `"$v'`, // what a variable holds is not read again
		"${v:-x}${none:-x}":      "valuex",
		"${empty:-x}${empty-x}":  "x",
		"${v:+x}${none:+x}":      "x",
		"${empty:+x}${empty+x}":  "x",
		"${v:?x}${empty?x}":      "value",
		"${none:-$v}":            "value",
		"${none:-${none:-'a}'}}": "a}",
		`${none:-"}"}`:           "}",
		"${path#*/}":             "usr/lib/libc.so.6",
		"${path##*/}":            "libc.so.6",
		"${path%.*}":             "/usr/lib/libc.so",
		"${path%%.*}":            "/usr/lib/libc",
		"${path#/???/}":          "lib/libc.so.6",
		"${path#x}":              "/usr/lib/libc.so.6",
		"${path/lib/x}":          "/usr/x/libc.so.6",
		"${path//lib/x}":         "/usr/x/xc.so.6",
		`${path//\//-}`:          "-usr-lib-libc.so.6",
		`${star/\*/$v}`:          "avalueb",
		"${star/[a]/x}":          "a*b",
		"${v/a/$1}":              "vlue",
		"é${v}\xff":              "évalue\xff",
	} {
		if got, err := Expand(word, env, '\\'); got != want || err != nil {
			t.Errorf("%s gives %q, %v; want %q", word, got, err, want)
		}
	}
	for word, want := range map[string]string{
		"${v":                             unclosed,
		"${":                              unclosed,
		"${v:-a":                          unclosed,
		"${}":                             "syntax error: bad substitution",
		"${:-a}":                          "syntax error: bad substitution",
		"${v:x}":                          "unsupported modifier (:x) in substitution",
		"${v=x}":                          "unsupported modifier (=) in substitution",
		"${v/x}":                          "syntax error: missing '/' in ${}",
		"${none?}":                        "none: is not allowed to be unset",
		"${empty:?}":                      "empty: is not allowed to be empty",
		"${none:?sorry}":                  "none: sorry",
		`"a`:                              "unexpected end of statement while looking for matching double-quote",
		"'a":                              "unexpected end of statement while looking for matching single-quote",
		`${v#\a}`:                         `invalid pattern (\a) in substitution: invalid escape '\a'`,
		strings.Repeat("${v:-", 1000):     "syntax error: ${} nested too deeply",
		strings.Repeat(`"${v:-`, 1000):    "syntax error: ${} nested too deeply",
		strings.Repeat("$v", maxGrowth/4): "the text grows too long",
		"${v##" + strings.Repeat("a", maxMatching) + "}": "the pattern is too long",
	} {
		got, err := Expand(word, env, '\\')
		if err == nil || !strings.HasPrefix(err.Error(), failed) || !strings.HasSuffix(err.Error(), ": "+want) || got != "" {
			t.Errorf("%.40s gives %q, %.200v; want %s", word, got, err, want)
		}
	}
}

// TestExpandLimit: neither one variable after the other nor a replacement may
// grow without end.
func TestExpandLimit(t *testing.T) {
	big := strings.Repeat("a", maxGrowth/2)
	env := func(string) (string, bool) { return big, true }
	for _, word := range []string{"$a$b$c", "${a//a/$b}", `"$a$b$c"`} {
		if got, err := Expand(word, env, '\\'); err == nil {
			t.Errorf("%s gives %d bytes", word, len(got))
		}
	}
	if got, err := Expand("$a", env, '\\'); got != big || err != nil {
		t.Errorf("one large value: %d bytes, %.100v", len(got), err)
	}
}

func TestExpandEscape(t *testing.T) {
	env, _, _ := environment([]string{"v=value*"})
	for word, want := range map[string]string{
		"`$v":            "$v",
		`\$v`:            `\value*`,
		"\"`$v `\" \\\"": `$v " \`,
		"${v%`*}":        "value",
	} {
		if got, err := Expand(word, env, '`'); got != want || err != nil {
			t.Errorf("%s gives %q, %v; want %q", word, got, err, want)
		}
	}
	if got, err := Expand("a$b", nil, '\\'); got != "a" || err != nil {
		t.Errorf("without variables: %q, %v", got, err)
	}
}

func TestExpandWords(t *testing.T) {
	env, _, _ := environment([]string{"list=a  b", "one=x"})
	for word, want := range map[string][]string{
		"$list":            {"a", "b"},
		"1$list 2":         {"1a", "b", "2"},
		`"$list"`:          {"a  b"},
		`'a b' c\ d`:       {"a b", "c d"},
		"$none":            nil,
		"  $one  ":         {"x"},
		"${none:-a b}":     {"a", "b"},
		`"${none:-a b}" c`: {"a b", "c"},
	} {
		if got, err := ExpandWords(word, env, '\\'); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s gives %q, %v; want %q", word, got, err, want)
		}
	}
	if got, err := ExpandWords("a 'b", env, '\\'); got != nil || err == nil {
		t.Errorf("an open quote gives %q", got)
	}
}

func TestHeredocExpanded(t *testing.T) {
	env, _, _ := environment([]string{"v=value"})
	for body, want := range map[string]string{
		"'$v' \"$v\"\n":       "'value' \"value\"\n",
		"it's ${none:-'x'}\n": "it's 'x'\n",
		"\\$v \\\\ \\\n":      "$v \\ \n",
	} {
		if got, err := (Heredoc{Expand: true, Content: body}).Expanded(env); got != want || err != nil {
			t.Errorf("%q gives %q, %v; want %q", body, got, err, want)
		}
	}
	if _, err := (Heredoc{Expand: true, Content: "${"}).Expanded(env); err == nil {
		t.Error("an open brace is accepted")
	}
}
