package layer

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Archives of other programs: GNU tar's formats, with its own forms for long
// names, sparse files and large numbers. What is unpacked must be what went in.
func TestApplyGNUTar(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("no tar program")
	}
	long := strings.Repeat("long-name-", 20)
	dir := upper(t, "a file", "a mode 0640", "a time 1", "h link a", "d dir", "d/"+long+" file", "d/l -> "+long, "f fifo", "x file", "x xattr user.x=y", "sparse file")
	if err := os.Truncate(filepath.Join(dir, "sparse"), 1<<20); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"gnu":    {"--format=gnu"},
		"sparse": {"--format=gnu", "--sparse"},
		"pax":    {"--format=pax", "--xattrs"},
		"pax 1":  {"--format=pax", "--sparse", "--xattrs"},
		"pax 0":  {"--format=pax", "--sparse", "--sparse-version=0.0", "--xattrs"},
		"gzip":   {"--gzip"},
		"global": {"--format=pax", "--pax-option=globexthdr.name=g,comment=c", "--xattrs"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := exec.Command("tar", append(args, "-C", dir, "--sort=name", "-cf", "-", ".")...)
			cmd.Stderr = &stderr
			data, err := cmd.Output()
			if err != nil {
				t.Fatal(err, stderr.String())
			}
			opt := options(t)
			got, tree, err := applied(t, data, opt)
			if err != nil {
				t.Fatal(err)
			}
			want, err := ReadTree(bytes.NewReader(diffed(t, dir, DiffOptions{UserXattr: opt.UserXattr})))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(listed(want, args), listed(tree, args)); diff != "" {
				t.Error(diff)
			}
			was, _ := os.ReadFile(filepath.Join(dir, "sparse"))
			is, err := os.ReadFile(filepath.Join(got, "sparse"))
			if !bytes.Equal(was, is) {
				t.Errorf("contents differ: %v", err)
			}
		})
	}
}

// listed is what the format that args ask for can keep.
func listed(tree *Tree, args []string) (entries []Entry) {
	pax := args[0] == "--format=pax"
	tree.Walk(func(e Entry) error {
		if !pax {
			e.Xattrs, e.ModTime = nil, e.ModTime.Truncate(1e9)
		}
		entries = append(entries, e)
		return nil
	})
	return entries
}
