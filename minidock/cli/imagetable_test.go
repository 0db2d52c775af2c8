package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
)

// listed prints three images as `images` does, at a fixed time.
func listed(t *testing.T, opt listing) string {
	t.Helper()
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	hour, month := now.Add(-time.Hour), now.Add(-70*24*time.Hour)
	list := []*image.Summary{
		{ID: digest.FromBytes([]byte("a")), Created: &hour, Size: 7_800_000, Names: []string{
			"app:1", "app:latest", "app@" + digest.FromBytes([]byte("m")).String(), "localhost:5000/app:1"}},
		{ID: digest.FromBytes([]byte("b")), Created: &month, Size: 999, Names: []string{"only:1@" + digest.FromBytes([]byte("n")).String()}},
		{ID: digest.FromBytes([]byte("c"))},
	}
	tab := opt.table()
	for _, s := range list {
		tab.rows = append(tab.rows, imageRows(s, s.Names, opt, now)...)
	}
	var out strings.Builder
	if err := tab.write(&out, opt.template()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestImagesTable(t *testing.T) {
	hash := digest.FromBytes([]byte("m")).String()
	for name, test := range map[string]struct {
		opt  listing
		want string
	}{
		"table": {listing{}, "" +
			"REPOSITORY           TAG       IMAGE ID       CREATED             SIZE\n" +
			"app                  1         ca978112ca1b   About an hour ago   7.8MB\n" +
			"app                  latest    ca978112ca1b   About an hour ago   7.8MB\n" +
			"localhost:5000/app   1         ca978112ca1b   About an hour ago   7.8MB\n" +
			"only                 <none>    3e23e8160039   2 months ago        999B\n" +
			"<none>               <none>    2e7d2c03a950   N/A                 0B\n"},
		"quiet":             {listing{quiet: true}, "ca978112ca1b\nca978112ca1b\nca978112ca1b\n3e23e8160039\n2e7d2c03a950\n"},
		"a format beats -q": {listing{quiet: true, format: "{{.Tag}}"}, "1\nlatest\n1\n<none>\n<none>\n"},
		"quiet and long":    {listing{quiet: true, noTrunc: true, format: "table"}, strings.Repeat("sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\n", 3) + "sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d\nsha256:2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6\n"},
		"digests of a template": {listing{format: "{{.Repository}} {{.Tag}} {{.Digest}}"}, "app 1 " + hash + "\napp latest " + hash + "\nlocalhost:5000/app 1 <none>\nonly <none> " +
			digest.FromBytes([]byte("n")).String() + "\n<none> <none> <none>\n"},
		"columns": {listing{format: `table {{.Repository}}\t{{lower .Tag}}\t{{.UniqueSize}}`}, "" +
			"REPOSITORY           TAG       UNIQUE SIZE\n" +
			"app                  1         N/A\napp                  latest    N/A\nlocalhost:5000/app   1         N/A\n" +
			"only                 <none>    N/A\n<none>               <none>    N/A\n"},
	} {
		if diff := cmp.Diff(test.want, listed(t, test.opt)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := listed(t, listing{digests: true}); !strings.HasPrefix(got, "REPOSITORY           TAG       DIGEST "+strings.Repeat(" ", 67)+"IMAGE ID ") || strings.Count(got, hash) != 2 {
		t.Errorf("--digests prints\n%s", got)
	}
	if got := listed(t, listing{format: "raw", digests: true}); !strings.HasPrefix(got, "repository: app\ntag: 1\ndigest: "+hash+"\nimage_id: ca978112ca1b\ncreated_at: ") ||
		!strings.Contains(got, "\nvirtual_size: 7.8MB\n\nrepository: app\n") {
		t.Errorf("--format raw prints\n%s", got)
	}
	if got := listed(t, listing{format: "json"}); !strings.HasPrefix(got, `{"Containers":"N/A","CreatedAt":"`) || strings.Count(got, "\n") != 5 {
		t.Errorf("--format json prints\n%s", got)
	}
}

func TestHistoryCells(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	old, young := time.Unix(0, 0), now.Add(-time.Minute)
	for _, test := range []struct {
		row  image.HistoryRow
		opt  historyFlags
		want map[string]string
	}{
		{image.HistoryRow{ID: digest.FromBytes([]byte("a")), Created: &young, CreatedBy: "a\tb", Size: 12345, Comment: "c"}, historyFlags{human: true},
			map[string]string{"ID": "ca978112ca1b", "CreatedSince": "About a minute ago", "CreatedBy": "a b", "Size": "12.3kB", "Comment": "c"}},
		{image.HistoryRow{Created: &old, CreatedBy: strings.Repeat("x", 46)}, historyFlags{human: true},
			map[string]string{"ID": "<missing>", "CreatedSince": "N/A", "CreatedBy": strings.Repeat("x", 44) + "…", "Size": "0B"}},
		{image.HistoryRow{CreatedBy: strings.Repeat("x", 46), Size: 12345}, historyFlags{noTrunc: true},
			map[string]string{"CreatedSince": "N/A", "CreatedAt": "N/A", "CreatedBy": strings.Repeat("x", 46), "Size": "12345"}},
	} {
		got := historyCells(test.row, test.opt, now)
		for key, want := range test.want {
			if got[key] != want {
				t.Errorf("%+v: %s is %q, want %q", test.row, key, got[key], want)
			}
		}
	}
}

func TestColumns(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "naïve": 5, "日本語": 6, "한국": 4, "e\u0301": 1, "…": 1} {
		if got := columns(text); got != want {
			t.Errorf("columns(%q) = %d, want %d", text, got, want)
		}
	}
	for _, test := range []struct {
		text string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}} {
		if got := ellipsis(test.text, test.n); got != test.want {
			t.Errorf("ellipsis(%q, %d) = %q, want %q", test.text, test.n, got, test.want)
		}
	}
}
