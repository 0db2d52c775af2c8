//go:build exercise

package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

const (
	lessonMark = "\nreread: How to say that something is gone"
	lessonRead = "\nreread: How the engine does it"
)

// lessonNames returns the names in the archive that write makes, and write's error.
func lessonNames(t *testing.T, write func(*Writer) error) (names []string, err error) {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	err = write(w)
	if closeErr := w.Close(); closeErr != nil {
		t.Fatal(closeErr)
	}
	for in := tar.NewReader(&b); ; {
		h, readErr := in.Next()
		if readErr == io.EOF {
			return names, err
		}
		if readErr != nil {
			t.Fatal(readErr)
		}
		if h.Size != 0 || h.Mode != 0 || h.Typeflag != tar.TypeReg {
			t.Fatalf("The mark is more than a name.\nexpected: an empty file with no attributes, as mark writes it\nfound:    type %q, mode %o, %d bytes"+lessonMark, h.Typeflag, h.Mode, h.Size)
		}
		names = append(names, h.Name)
	}
}

func TestLessonNames(t *testing.T) {
	for _, test := range []struct{ name, want, what string }{
		{"motd", ".wh.motd", "The mark has the wrong name."},
		{"etc/motd", "etc/.wh.motd", "The mark is not beside the file that it hides."},
		{"a/b/c", "a/b/.wh.c", "The mark is not beside the file that it hides."},
		{"/etc/motd/", "etc/.wh.motd", "The name was not made clean first."},
		{"./etc//motd", "etc/.wh.motd", "The name was not made clean first."},
		{"etc/.hidden", "etc/.wh..hidden", "A name that begins with a dot is a name like others."},
		{"etc/x.wh.y", "etc/.wh.x.wh.y", "Only the beginning of a name can make it a mark."},
		{"etc/.wh", "etc/.wh..wh", "Only the whole prefix makes a name a mark."},
	} {
		got, err := lessonNames(t, func(w *Writer) error { return w.Whiteout(test.name) })
		if err != nil || !slices.Equal(got, []string{test.want}) {
			t.Fatalf("%s\nremoved:  %q\nexpected: one entry, %q\nfound:    %q, error %v"+lessonMark, test.what, test.name, test.want, got, err)
		}
	}
}

func TestLessonOutside(t *testing.T) {
	for _, name := range []string{"../etc/motd", "etc/../../motd"} {
		got, err := lessonNames(t, func(w *Writer) error { return w.Whiteout(name) })
		if !errors.Is(err, ErrUnsafePath) || len(got) > 0 {
			t.Fatalf("A name that leads out of the layer is accepted.\nremoved:  %q\nexpected: an error that is ErrUnsafePath, and no entry\nfound:    %q, error %v\nclean refuses such names.", name, got, err)
		}
	}
}

func TestLessonRoot(t *testing.T) {
	for _, name := range []string{".", "/", ""} {
		got, err := lessonNames(t, func(w *Writer) error { return w.Whiteout(name) })
		if !errors.Is(err, ErrUnsafePath) || len(got) > 0 {
			t.Fatalf("The root can be removed.\nremoved:  %q\nexpected: an error that is ErrUnsafePath, and no entry\nfound:    %q, error %v"+lessonRead, name, got, err)
		}
	}
}

// A file that is called like a mark: its whiteout would be read as another mark.
func TestLessonMarks(t *testing.T) {
	for name, effect := range map[string]string{
		"etc/.wh..opq": "it would be read as the mark of an opaque directory, and hide all of etc",
		"etc/.wh.x":    "it would be passed over as a note of the aufs file system",
	} {
		got, err := lessonNames(t, func(w *Writer) error { return w.Whiteout(name) })
		if !errors.Is(err, ErrUnsafePath) || len(got) > 0 {
			t.Fatalf("The mark for a name that is a mark means something else.\nremoved:  %q\nexpected: an error that is ErrUnsafePath, and no entry\nfound:    %q, error %v\n%s"+lessonRead, name, got, err, effect)
		}
	}
}

// What was written is what the engine reads.
func TestLessonRoundTrip(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	err := errors.Join(w.Whiteout("etc/motd"), w.Close())
	tree, readErr := ReadTree(&b)
	if err != nil || readErr != nil || !tree.IsWhiteout("etc/motd") {
		t.Fatalf("The engine does not read your mark as a removal of etc/motd.\nfound:    %v %v"+lessonMark, err, readErr)
	}
}
