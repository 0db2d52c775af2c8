package layout

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// An index that is accepted is written as valid JSON that has the same entries,
// whatever is done to it.
func FuzzIndex(f *testing.F) {
	d := digest.FromBytes([]byte("x"))
	f.Add([]byte(emptyIndex), "a:1")
	f.Add([]byte(`{"manifests":null}`), "a:1")
	f.Add([]byte(`{"x":"]\\\"[","manifests":[{"digest":"`+d.String()+`","size":1,"annotations":{"org.opencontainers.image.ref.name":"\u0061:1"}},{}, 1 ],"y":{}}`), "a:1")
	f.Add([]byte(`{}`), "")
	f.Add([]byte(`{"manifests":[{"mediaType":"m","digest":"`+d.String()+`","size":12,"annotations":{"a":"b","org.opencontainers.image.ref.name":"a:1"}},{"annotations":{"a":"1"},"annotations":{"b":"2"}},{"size":1.0},{"size":-0},{"Digest":"x"}]}`), "a:1")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		x, err := parseIndex(b)
		if err != nil {
			return
		}
		before := x.All()
		same(t, x, before)
		for _, raw := range x.entries {
			d, ok := plainDescriptor(raw)
			var want oci.Descriptor
			if err := json.Unmarshal(raw, &want); ok && (err != nil || !reflect.DeepEqual(d, want)) {
				t.Errorf("%s\nis decoded as %+v,\nbut it is %+v, %v", raw, d, want, err)
			}
		}
		other := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromBytes([]byte("other")), Size: 5}
		other.Annotations = named(nil, name, name)
		if _, err := x.tag(name, other); err != nil {
			t.Fatal(err)
		}
		if at := x.positions(other.Digest); len(at) == 0 {
			t.Fatalf("tagged, and not there: %s", x.text())
		}
		same(t, x, x.All())
		x.remove(x.positions(other.Digest)...)
		if n := len(x.All()); n > len(before) {
			t.Errorf("%d entries became %d: %s", len(before), n, x.text())
		}
	})
}

func same(t *testing.T, x *Index, want []Entry) {
	t.Helper()
	if !json.Valid(x.text()) {
		t.Fatalf("not JSON: %s", x.text())
	}
	y, err := parseIndex(x.text())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, y.All()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}
