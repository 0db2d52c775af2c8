package build

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"minidock.dev/minidock/source"
)

// TestCopyAttributes: attributes of a file go into the layer, but not who else of
// this machine may read it. An ACL is two bytes of version and eight an entry
// (acl(5)): the three of the mode, user 1234, and the mask.
func TestCopyAttributes(t *testing.T) {
	k := newKitchen(t, map[string]string{"file": "x"})
	acl := "\x02\x00\x00\x00" +
		"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
		"\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x04\x00\xff\xff\xff\xff"
	for name, value := range map[string]string{"user.origin": "here", "system.posix_acl_access": acl} {
		err := unix.Setxattr(filepath.Join(k.context, "file"), name, []byte(value), 0)
		if errors.Is(err, unix.ENOTSUP) {
			t.Skipf("the file system has no attribute %s", name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o := k.build("FROM scratch\nCOPY file /\n")
	root, err := source.NewReader(k.layout).Open(context.Background(), o.Image.Layers)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := root.View().Lookup("file")
	if diff := cmp.Diff(map[string]string{"user.origin": "here"}, e.Xattrs); diff != "" {
		t.Error(diff)
	}
}
