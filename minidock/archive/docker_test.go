package archive_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/image"
)

// oldArchive is what docker wrote before version 25: a directory a layer, the
// second image's base a symbolic link to the first one's.
func oldArchive(t testing.TB) (members []member, ids []digest.Digest) {
	t.Helper()
	base := string(pack(t, member{name: "base", content: "base"}))
	top := string(pack(t, member{name: "top", content: strings.Repeat("top", 1000)}))
	config := func(layers ...string) string {
		var diffs []string
		for _, b := range layers {
			diffs = append(diffs, fmt.Sprintf("%q", digest.FromBytes([]byte(b))))
		}
		return fmt.Sprintf(`{"architecture":"amd64","os":"linux","unknown":[1,2],"rootfs":{"type":"layers","diff_ids":[%s]}}`, strings.Join(diffs, ","))
	}
	one, two := config(base, top), config(base)
	ids = []digest.Digest{digest.FromBytes([]byte(one)), digest.FromBytes([]byte(two))}
	id := func(c string) string { return strings.Repeat(c, 64) }
	manifest := fmt.Sprintf(`[{"Config":"%s.json","RepoTags":["one:1","localhost:5000/one:1"],"Layers":["%s/layer.tar","%s/layer.tar"]},
		{"Config":"%s.json","RepoTags":null,"Layers":["%s/layer.tar"]}]`, ids[0].Hex(), id("a"), id("b"), ids[1].Hex(), id("c"))
	return []member{
		{name: id("a") + "/", header: tar.Header{Typeflag: tar.TypeDir}},
		{name: id("a") + "/VERSION", content: "1.0"},
		{name: id("a") + "/json", content: "{}"},
		{name: id("a") + "/layer.tar", content: base},
		{name: id("b") + "/layer.tar", content: gzipBytes([]byte(top))},
		{name: ids[0].Hex() + ".json", content: one},
		link(id("c")+"/layer.tar", "../"+id("a")+"/layer.tar"),
		{name: ids[1].Hex() + ".json", content: two},
		{name: "manifest.json", content: manifest},
		{name: "repositories", content: `{"one":{"1":"x"}}`},
	}, ids
}

func TestOldDocker(t *testing.T) {
	members, ids := oldArchive(t)
	b := pack(t, members...)
	for name, r := range map[string]io.Reader{"file": bytes.NewReader(b), "pipe": pipe(b), "gzip": pipe([]byte(gzipBytes(b)))} {
		l := newStore(t)
		loaded, err := archive.Load(t.Context(), l, r, archive.LoadOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []any
		for _, i := range loaded {
			got = append(got, i.ID, i.Names)
		}
		want := []any{ids[0], []string{"one:1", "localhost:5000/one:1"}, ids[1], []string(nil)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if f := find(t, l, "one:1"); f.Config.OS != "linux" || len(f.Layers) != 2 {
			t.Errorf("%s: config %+v", name, f.Config)
		}
		if left, _, err := l.GC(t.Context(), nil); len(left) > 0 || err != nil {
			t.Errorf("%s: %d blobs are not needed, %v", name, len(left), err)
		}
		validate(t, l)
		noLitter(t, l)
	}
}

// replace changes the contents of a member.
func replace(members []member, name string, change func(string) string) []member {
	out := append([]member{}, members...)
	for n := range out {
		if strings.HasSuffix(out[n].name, name) {
			out[n].content = change(out[n].content)
			return out
		}
	}
	panic("no member " + name)
}

func to(s string) func(string) string { return func(string) string { return s } }

// Each archive is refused, with an error that says where, and leaves nothing.
func TestHostile(t *testing.T) {
	good, ids := oldArchive(t)
	store := newStore(t)
	f := addImage(t, store, "app:v1", "base", "gzip:top")
	oci := ociMembers(t, store, f, f.Descriptor)
	blob := func(d digest.Digest) string { return "blobs/sha256/" + d.Hex() }
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	special := func(name string, kind byte) member {
		return member{name: name, header: tar.Header{Typeflag: kind}}
	}
	without := func(members []member, name string) (rest []member) {
		for _, m := range members {
			if !strings.HasSuffix(m.name, name) {
				rest = append(rest, m)
			}
		}
		return rest
	}
	plain := string(pack(t, member{name: "x", content: "x"}))
	outside := string(pack(t, member{name: "../x", content: "x"}))
	dangling := string(pack(t, member{name: "l", header: tar.Header{Typeflag: tar.TypeLink, Linkname: "x"}}))
	oneLayer := func(blob, archive string) []member {
		return []member{{name: "layer.tar", content: blob}, {name: "c", content: fmt.Sprintf(`{"os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, digest.FromBytes([]byte(archive)))},
			{name: "manifest.json", content: `[{"Config":"c","Layers":["layer.tar"]}]`}}
	}
	tests := []struct {
		name    string
		members []member
		want    string
	}{
		{"nothing", nil, "invalid archive: does not contain a manifest.json"},
		{"null", replace(good, "manifest.json", to("null")), "manifest.json: it lists no image"},
		{"no image", replace(good, "manifest.json", to("[]")), "manifest.json: it lists no image"},
		{"a null image", replace(good, "manifest.json", to("[null]")), "image 0 has no config"},
		{"no JSON", replace(good, "manifest.json", to("{")), "invalid archive: manifest.json"},
		{"config outside", replace(good, "manifest.json", to(`[{"Config":"../x"}]`)), `image 0: "../x": unsafe path`},
		{"layer outside", replace(good, "manifest.json", to(`[{"Config":"x","Layers":["/etc/passwd"]}]`)), `"/etc/passwd": unsafe path`},
		{"config missing", replace(good, "manifest.json", to(`[{"Config":"x"}]`)), `entry "x": the archive does not have it`},
		{"layer missing", without(good, b+"/layer.tar"), b + `/layer.tar": the archive does not have it`},
		{"fewer layers", replace(good, "manifest.json", to(`[{"Config":"`+ids[0].Hex()+`.json","Layers":["`+a+`/layer.tar"]}]`)), "invalid manifest, layers length mismatch: expected 1, got 2"},
		{"a layer often", replace(good, "manifest.json", to(`[{"Config":"`+ids[0].Hex()+`.json","Layers":["`+a+`/layer.tar","`+a+`/layer.tar"]}]`)), "invalid diffID for layer 1: expected"},
		{"100,000 images", replace(good, "manifest.json", to("["+strings.Repeat(`{"Config":"x"},`, 99999)+`{"Config":"x"}]`)), "it lists 100000 images, more than 4096"},
		{"long manifest.json", replace(good, "manifest.json", to(strings.Repeat(" ", 4<<20+1))), "more than the allowed 4194304"},
		{"long config", replace(good, ids[0].Hex()+".json", to(strings.Repeat(" ", 16<<20+1))), "more than the allowed 16777216"},
		{"other config", replace(good, ids[0].Hex()+".json", to("{}")), ids[0].Hex() + `.json": content has digest`},
		{"bad tag", replace(good, "manifest.json", func(s string) string { return strings.ReplaceAll(s, "one:1", "A B") }), `invalid tag "A B"`},
		{"5,000 names", replace(good, "manifest.json", func(s string) string {
			return strings.Replace(s, `"one:1"`, strings.Repeat(`"one:1",`, 5000)+`"one:1"`, 1)
		}), "5002 names are more than 1024"},
		{"a name twice", replace(good, "manifest.json", func(s string) string { return strings.ReplaceAll(s, "null", `["one:1"]`) }), "two images have the name one:1"},
		{"other layer", replace(good, a+"/layer.tar", func(s string) string { return strings.Replace(s, "base", "bose", 1) }), "invalid diffID for layer 0: expected"},
		{"a sparse layer of 300 GiB", oneLayer(sparse(300<<30), sparse(300<<30)), `entry "sparse": more than 274877906944 bytes`},
		{"layer is no archive", oneLayer("no archive", "no archive"), "layer 0 (sha256:"},
		{"layer with a tail", oneLayer(plain+"x", plain+"x"), "data after the end of the archive"},
		{"link to nothing in the lowest layer", oneLayer(dangling, dangling), `entry "l": hard link to a file that is not there`},
		{"unsafe layer", oneLayer(outside, outside), `unsafe path "../x"`},
		{"unsafe gzip layer", oneLayer(gzipBytes([]byte(outside)), outside), `unsafe path "../x"`},
		{"gzip layer ends early", oneLayer(gzipBytes([]byte(plain))[:60], plain), "unexpected EOF"},
		{"gzip layer with a tail", oneLayer(gzipBytes([]byte(plain))+"tail", plain), "layer 0 (sha256:"},
		{"gzip layer of something else", oneLayer(gzipBytes([]byte(plain)), outside), "invalid diffID for layer 0: expected"},
		{"bzip2 layer", replace(good, a+"/layer.tar", to("BZh91AY")), "a layer is plain, gzip or zstd, and not bzip2"},
		{"entry above", append(good[:0:0], append(good, member{name: "../x"})...), `entry "../x": unsafe path`},
		{"absolute entry", append(good[:0:0], append(good, member{name: "/x"})...), `entry "/x": unsafe path`},
		{"digest as a path", append(good[:0:0], append(good, member{name: "blobs/sha256/../../x"})...), `unsafe path: ".." in the name`},
		{"a file twice", append(good[:0:0], append(good, member{name: "manifest.json", content: "[]"})...), `entry "manifest.json": the archive has it twice`},
		{"file over directory", append(good[:0:0], append(good, member{name: a})...), "the archive has it twice"},
		{"manifest.json a directory", append(without(good, "manifest.json"), special("manifest.json", tar.TypeDir)), `entry "manifest.json": it is a directory, not a file`},
		{"manifest.json a device", append(without(good, "manifest.json"), special("manifest.json", tar.TypeChar)), `entry "manifest.json": it is a device, not a file`},
		{"manifest.json a fifo", append(without(good, "manifest.json"), special("manifest.json", tar.TypeFifo)), `entry "manifest.json": it is a fifo, not a file`},
		{"link loop", append(without(good, "manifest.json"), link("manifest.json", "x"), link("x", "manifest.json")), `entry "manifest.json": too many links`},
		{"link outside", append(without(good, "manifest.json"), link("manifest.json", "../../etc/passwd")), `link to "../../etc/passwd": unsafe path`},
		{"link to nothing", append(without(good, "manifest.json"), link("manifest.json", "x")), "does not contain a manifest.json"},
		{"long name", append(good[:0:0], append(good, member{name: strings.Repeat("x", 600)})...), "its name is longer than 512 bytes"},

		{"no oci-layout", without(oci, "oci-layout"), `entry "oci-layout": the archive does not have it`},
		{"other oci-layout", replace(oci, "oci-layout", to(`{"imageLayoutVersion":"2"}`)), "image layout version"},
		{"no list", replace(oci, "index.json", to(`{"schemaVersion":2}`)), "no list of manifests"},
		{"empty list", replace(oci, "index.json", to(`{"schemaVersion":2,"manifests":[]}`)), "it has no image"},
		{"index and manifest", replace(oci, "index.json", to(`{"schemaVersion":2,"manifests":[],"layers":[]}`)), "is a manifest, too"},
		{"no digest", replace(oci, "index.json", func(s string) string { return strings.Replace(s, f.Descriptor.Digest.String(), "sha256:../x", 1) }), "invalid digest"},
		{"size", replace(oci, "index.json", func(s string) string {
			return strings.Replace(s, fmt.Sprintf(`"size":%d`, f.Descriptor.Size), `"size":7`, 1)
		}), "expected 7"},
		{"manifest missing", without(oci, f.Descriptor.Digest.Hex()), "the archive does not have it"},
		{"config missing", without(oci, f.ID().Hex()), "config: entry"},
		{"layer missing", without(oci, f.Layers[1].Descriptor.Digest.Hex()), "layer 1: entry"},
		{"manifest is an index", replace(oci, blob(f.Descriptor.Digest), func(s string) string { return strings.Replace(s, "{", `{"manifests":[],`, 1) }), "content has digest"},
		{"layer changed", replace(oci, blob(f.Layers[0].Descriptor.Digest), func(s string) string { return strings.Replace(s, "basebase", "basebose", 1) }), `entry "` + blob(f.Layers[0].Descriptor.Digest)},
		{"layer shorter", replace(oci, blob(f.Layers[0].Descriptor.Digest), func(s string) string { return s[:512] }), "512 bytes, expected"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := pack(t, test.members...)
			for _, r := range []io.Reader{bytes.NewReader(b), pipe(b), bytes.NewReader([]byte(gzipBytes(b)))} {
				l := newStore(t)
				loaded, err := archive.Load(t.Context(), l, r, archive.LoadOptions{})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%d images, error: %v\nwant %q in it", len(loaded), err, test.want)
				}
				if err != nil && (len(err.Error()) > 500 || strings.Contains(err.Error(), "\n")) {
					t.Errorf("the error has %d bytes: %.600s", len(err.Error()), err)
				}
				unchanged(t, l)
			}
		})
	}
}

// An archive that ends early is refused, wherever that is, but for its padding.
func TestTruncated(t *testing.T) {
	members, _ := oldArchive(t)
	b := pack(t, members...)
	end := len(b) - 1024 - 512 // repositories is not needed
	for n := 0; n < end-1024; n += 211 {
		for _, r := range []io.Reader{bytes.NewReader(b[:n]), pipe(b[:n])} {
			l := newStore(t)
			if _, err := archive.Load(t.Context(), l, r, archive.LoadOptions{}); err == nil {
				t.Fatalf("the first %d of %d bytes were taken for an archive", n, len(b))
			}
			unchanged(t, l)
		}
	}
	z := []byte(gzipBytes(b))
	for n := 0; n < len(z); n += 61 {
		l := newStore(t)
		if _, err := archive.Load(t.Context(), l, pipe(z[:n]), archive.LoadOptions{}); err == nil {
			t.Fatalf("the first %d of %d compressed bytes were taken for an archive", n, len(z))
		}
		unchanged(t, l)
	}
}

func TestTrailingData(t *testing.T) {
	members, _ := oldArchive(t)
	b := pack(t, members...)
	for _, tail := range []struct{ text, want string }{
		{"x", "data after the end of the archive"},
		{string(b), "data after the end of the archive"},
		{strings.Repeat("\x00", 2<<20), "more than 1048576 bytes after the end"},
		{strings.Repeat("\x00", 10240), ""},
	} {
		whole := append(b[:len(b):len(b)], tail.text...)
		for _, r := range []io.Reader{bytes.NewReader(whole), pipe(whole)} {
			l := newStore(t)
			_, err := archive.Load(t.Context(), l, r, archive.LoadOptions{})
			if tail.want == "" {
				if err != nil {
					t.Error(err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), tail.want) {
				t.Errorf("error %v, want %q", err, tail.want)
			}
			unchanged(t, l)
		}
	}
}

func TestTooManyEntries(t *testing.T) {
	members := make([]member, 1<<16+1)
	for n := range members {
		members[n].name = fmt.Sprint(n)
	}
	b := pack(t, members...)
	for _, r := range []io.Reader{bytes.NewReader(b), pipe(b)} {
		l := newStore(t)
		if _, err := archive.Load(t.Context(), l, r, archive.LoadOptions{}); err == nil || !strings.Contains(err.Error(), "more than 65536 entries") {
			t.Errorf("error: %v", err)
		}
		unchanged(t, l)
	}
}

// FuzzLoad: whatever the bytes are, Load ends, touches nothing but its store, and
// after an error that is as empty as before.
func FuzzLoad(f *testing.F) {
	members, _ := oldArchive(f)
	f.Add(pack(f, members...))
	f.Add([]byte(gzipBytes(pack(f, members...))))
	store := newStore(f)
	img := addImage(f, store, "app:v1", "base", "gzip:top")
	f.Add(saved(f, store, archive.SaveOptions{}, item(img)))
	f.Add(saved(f, store, archive.SaveOptions{Format: archive.OCIArchive, Compress: "zstd"}, item(img)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range []io.Reader{bytes.NewReader(b), pipe(b)} {
			l := newStore(t)
			loaded, err := archive.Load(t.Context(), l, r, archive.LoadOptions{})
			if err != nil {
				unchanged(t, l)
				continue
			}
			for _, i := range loaded {
				if _, err := image.Load(t.Context(), l, i.Descriptor); err != nil {
					t.Errorf("a loaded image does not load: %v", err)
				}
			}
			noLitter(t, l)
		}
	})
}

// FuzzManifestJSON puts any manifest.json and config beside good layers.
func FuzzManifestJSON(f *testing.F) {
	members, ids := oldArchive(f)
	for _, m := range members {
		if m.name == "manifest.json" {
			f.Add([]byte(m.content), []byte(`{"rootfs":{"type":"layers","diff_ids":[]}}`))
		}
	}
	f.Add([]byte(`[{"Config":"c","Layers":["`+strings.Repeat("a", 64)+`/layer.tar"]}]`), []byte(`{"os":"linux","rootfs":{"type":"layers","diff_ids":["`+ids[0].String()+`"]}}`))
	f.Add([]byte(`[null]`), []byte(`null`))
	f.Fuzz(func(t *testing.T, manifest, config []byte) {
		list := append(replace(members, "manifest.json", to(string(manifest))), member{name: "c", content: string(config)})
		l := newStore(t)
		loaded, err := archive.Load(t.Context(), l, bytes.NewReader(pack(t, list...)), archive.LoadOptions{})
		if err != nil {
			unchanged(t, l)
			return
		}
		for _, i := range loaded {
			if _, err := image.Load(t.Context(), l, i.Descriptor); err != nil {
				t.Errorf("a loaded image does not load: %v", err)
			}
		}
	})
}

// sparse is a layer in GNU's format for files with holes: one file, all of it a hole.
func sparse(size int64) string {
	number := func(n int64, width int) string { // base 256
		return "\x80" + strings.Repeat("\x00", width-9) + string(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	h := make([]byte, 512)
	for at, text := range map[int]string{0: "sparse", 100: "0000644", 124: number(0, 12), 148: "        ", 156: "S", 257: "ustar  ", 386: number(size, 12), 398: number(0, 12), 483: number(size, 12)} {
		copy(h[at:], text)
	}
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(h) + strings.Repeat("\x00", 1024)
}

// Three indexes, each of which lists the next one 3,000 times, and the last no image.
// What is known to be no image is not walked through again.
func TestIndexOfIndexes(t *testing.T) {
	list := func(d string, times int) string {
		return `{"schemaVersion":2,"manifests":[` + strings.TrimSuffix(strings.Repeat(d+",", times), ",") + "]}"
	}
	members := []member{{name: "oci-layout", content: `{"imageLayoutVersion":"1.0.0"}`}}
	index := list("", 0)
	for range 3 {
		d := digest.FromBytes([]byte(index))
		members = append(members, member{name: "blobs/sha256/" + d.Hex(), content: index})
		index = list(fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.index.v1+json","digest":%q,"size":%d}`, d, len(index)), 3000)
	}
	b := pack(t, append(members, member{name: "index.json", content: index})...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l := newStore(t)
	_, err := archive.Load(ctx, l, bytes.NewReader(b), archive.LoadOptions{})
	if err == nil || !strings.Contains(err.Error(), "it has no image") {
		t.Errorf("error: %v", err)
	}
	unchanged(t, l)
}
