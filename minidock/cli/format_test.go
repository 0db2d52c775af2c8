package cli

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	tab := &table{
		columns: []string{"ID", "Name", "Size"},
		headers: map[string]string{"ID": "IMAGE ID", "Name": "NAME", "Size": "SIZE"},
		rows: []map[string]string{
			{"ID": "1", "Name": "a-name-of-16-byte", "Size": "7MB"},
			{"ID": "2", "Name": "<b> & c…", "Size": "1.2GB"},
		},
	}
	for format, want := range map[string]string{
		"": "" +
			"IMAGE ID   NAME                SIZE\n" +
			"1          a-name-of-16-byte   7MB\n" +
			"2          <b> & c…            1.2GB\n",
		"{{.ID}}={{.Name}}":  "1=a-name-of-16-byte\n2=<b> & c…\n",
		`{{.ID}}\t{{.Size}}`: "1\t7MB\n2\t1.2GB\n",
		`table {{.ID}}\t{{upper .Name}}`: "" +
			"IMAGE ID   NAME\n" +
			"1          A-NAME-OF-16-BYTE\n" +
			"2          <B> & C…\n",
		"json": `{"ID":"1","Name":"a-name-of-16-byte","Size":"7MB"}` + "\n" + `{"ID":"2","Name":"<b> & c…","Size":"1.2GB"}` + "\n",
	} {
		var out strings.Builder
		if err := tab.write(&out, format); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if out.String() != want {
			t.Errorf("%s:\n got %q\nwant %q", format, out.String(), want)
		}
	}
	if err := tab.write(&strings.Builder{}, "{{.Nope}}"); err == nil {
		t.Error("a field that does not exist is printed")
	}
}

// What others wrote must not give orders to the terminal, nor make up a row.
func TestTableControlCharacters(t *testing.T) {
	tab := &table{columns: []string{"A", "B"}, headers: map[string]string{"A": "A", "B": "B"},
		rows: []map[string]string{{"A": "\x1b[2Jx\r\ny", "B": "\u009b31m\u202ez\x07"}}}
	var out strings.Builder
	if err := tab.write(&out, ""); err != nil {
		t.Fatal(err)
	}
	const want = "A          B\n" + "\ufffd[2Jx\ufffd\ufffdy   \ufffd31m\ufffdz\ufffd\n"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}

func TestTemplateFunctions(t *testing.T) {
	fields := map[string]any{"List": []any{"a", "b"}, "Text": "hello"}
	for format, want := range map[string]string{
		`{{join .List ","}}`:                "a,b",
		`{{title .Text}}`:                   "Hello",
		`{{truncate .Text 2}}`:              "he",
		`{{pad .Text 1 1}}|`:                " hello |",
		`{{json .List}}`:                    `["a","b"]`,
		`{{range split .Text "l"}}.{{end}}`: "...",
		`{{len .List}}`:                     "2",
	} {
		tmpl, err := parseTemplate(format)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		var out strings.Builder
		if err := tmpl.Execute(&out, fields); err != nil || out.String() != want {
			t.Errorf("%s = %q, %v; want %q", format, out.String(), err, want)
		}
	}
}

func TestSizesAndAges(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 999: "999B", 1_000_000: "1MB", 7_797_760: "7.8MB", 12_345: "12.3kB", 999_950: "1e+03kB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "Less than a second ago", 30 * time.Second: "30 seconds ago", 90 * time.Second: "About a minute ago",
		47 * time.Hour: "47 hours ago", 50 * time.Hour: "2 days ago", 21 * 24 * time.Hour: "3 weeks ago",
	} {
		if got := age(now.Add(-d), now); got != want {
			t.Errorf("age of %v = %q, want %q", d, got, want)
		}
	}
	for text, want := range map[string]string{"short": "short", "exactly10!": "exactly10!", "more than ten": "more than…"} {
		if got := ellipsis(text, 10); got != want {
			t.Errorf("ellipsis(%q) = %q, want %q", text, got, want)
		}
	}
}
