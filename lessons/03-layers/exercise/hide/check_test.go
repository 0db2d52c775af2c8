//go:build exercise

package layer

import (
	"errors"
	"testing"
)

const (
	lessonGone  = "\nreread: How to say that something is gone"
	lessonAnew  = "\nreread: A directory that begins anew"
	lessonOrder = "\nreread: Whiteouts applied last"
	lessonTree  = "\nreread: The tree of one layer"
)

// lessonTreeOf adds entries ("a/b" a file, "a/" a directory) and whiteouts ("-a/b").
func lessonTreeOf(t *testing.T, steps ...string) *Tree {
	t.Helper()
	tree := NewTree()
	for _, step := range steps {
		var err error
		switch last := len(step) - 1; {
		case step[0] == '-':
			err = tree.AddWhiteout(step[1:])
		case step[last] == '/':
			err = tree.Add(Entry{Name: step[:last], Type: TypeDir, Mode: 0o755})
		default:
			err = tree.Add(Entry{Name: step, Type: TypeReg, Mode: 0o644})
		}
		if err != nil {
			t.Fatalf("An error for what every layer may hold.\nadded:    %q\nexpected: no error\nfound:    %v", step, err)
		}
	}
	return tree
}

func TestLessonHidden(t *testing.T) {
	tree := lessonTreeOf(t, "etc/", "-etc/motd", "etc/hosts")
	if !tree.IsWhiteout("etc/motd") {
		t.Fatalf("A whiteout is not kept.\nadded:    directory etc, whiteout of etc/motd, file etc/hosts\nexpected: the tree hides etc/motd\nfound:    it does not; its whiteouts in etc are %q, by the last part of the name"+lessonTree, tree.Whiteouts("etc"))
	}
	if _, ok := tree.Lookup("etc/hosts"); !ok || tree.IsWhiteout("etc/hosts") || tree.IsOpaque("etc") {
		t.Fatal("More is hidden than one name.\nadded:    directory etc, whiteout of etc/motd, file etc/hosts\nexpected: etc/hosts is there and etc is not opaque\nfound:    otherwise" + lessonGone)
	}
	if !lessonTreeOf(t, "etc/", "-/etc/./issue/").IsWhiteout("etc/issue") {
		t.Fatal("A name is not made clean first.\nadded:    directory etc, whiteout of \"/etc/./issue/\"\nexpected: the tree hides etc/issue\nfound:    it does not")
	}
}

func TestLessonParents(t *testing.T) {
	if tree := lessonTreeOf(t, "-a/b/c"); !tree.IsWhiteout("a/b/c") {
		t.Fatal("A whiteout is lost whose directory this layer has not mentioned.\nadded:    whiteout of a/b/c, to an empty tree\nexpected: the tree hides a/b/c\nfound:    it does not. Who makes what is missing of a/b?" + lessonTree)
	}
}

func TestLessonOwnFile(t *testing.T) {
	tree := lessonTreeOf(t, "etc/motd", "-etc/motd")
	if _, ok := tree.Lookup("etc/motd"); !ok {
		t.Fatal("The whiteout has taken a file of its own layer away.\nadded:    file etc/motd, then its whiteout\nexpected: the file is there: marks are about the layers below\nfound:    it is gone" + lessonOrder)
	}
	if tree.IsWhiteout("etc/motd") {
		t.Fatal("A file is there and hidden at once.\nadded:    file etc/motd, then its whiteout\nexpected: the file alone, which hides what is below it anyway, as when it comes second (see put)\nfound:    a whiteout as well" + lessonTree)
	}
	if tree.IsOpaque("etc/motd") {
		t.Fatal("A file has become opaque.\nadded:    file etc/motd, then its whiteout\nexpected: only a directory can be opaque\nfound:    the file is" + lessonAnew)
	}
}

func TestLessonOwnDirectory(t *testing.T) {
	tree := lessonTreeOf(t, "etc/", "etc/hosts", "-etc")
	if _, ok := tree.Lookup("etc/hosts"); !ok {
		t.Fatal("The whiteout has taken a directory of its own layer away.\nadded:    directory etc, file etc/hosts, whiteout of etc\nexpected: both are there: marks are about the layers below\nfound:    etc/hosts is gone" + lessonOrder)
	}
	if !tree.IsOpaque("etc") {
		t.Fatal("Old files would be seen in a directory that is new.\nadded:    directory etc, then a whiteout of etc\nexpected: etc is opaque, as when the directory comes second (see put)\nfound:    it is not" + lessonAnew)
	}
	if tree.IsWhiteout("etc") {
		t.Fatal("A directory is there and hidden at once.\nadded:    directory etc, then a whiteout of etc\nexpected: an opaque directory, and no whiteout\nfound:    a whiteout as well" + lessonTree)
	}
}

// A whiteout says nothing about an opaque mark that was there before.
func TestLessonStaysOpaque(t *testing.T) {
	tree := lessonTreeOf(t, "a/", "-a", "-a/b")
	if !tree.IsOpaque("a") || !tree.IsWhiteout("a/b") {
		t.Fatal("Two marks of one layer do not stand together.\nadded:    directory a, whiteouts of a and of a/b\nexpected: a is opaque, a/b is hidden\nfound:    otherwise" + lessonTree)
	}
}

func TestLessonRoot(t *testing.T) {
	for _, name := range []string{".", "/"} {
		if err := NewTree().AddWhiteout(name); !errors.Is(err, ErrUnsafePath) {
			t.Fatalf("The root can be hidden.\nadded:    whiteout of %q\nexpected: an error that is ErrUnsafePath\nfound:    %v", name, err)
		}
	}
	if err := NewTree().AddWhiteout("a/../../b"); !errors.Is(err, ErrUnsafePath) {
		t.Fatalf("A name that leads out of the layer is accepted.\nadded:    whiteout of \"a/../../b\"\nexpected: an error that is ErrUnsafePath\nfound:    %v", err)
	}
}

func TestLessonThroughAFile(t *testing.T) {
	tree := lessonTreeOf(t, "etc")
	if err := tree.AddWhiteout("etc/motd"); err == nil {
		t.Fatal("An error was swallowed.\nadded:    file etc, whiteout of etc/motd\nexpected: the error that directory returns: etc is not one\nfound:    none")
	}
}

func TestLessonCounted(t *testing.T) {
	tree := NewTree()
	before := tree.memory
	if tree.AddWhiteout("motd"); tree.memory < before+64 {
		t.Fatal("Nobody counts the whiteouts.\nexpected: t.memory grows with each one that is kept\nfound:    it does not, and a hostile archive fills the memory")
	}
}
