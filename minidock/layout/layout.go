package layout

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"minidock.dev/minidock/blob"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// Names in the store that are ours and not the specification's.
const (
	tempDir       = "tmp"
	storeLockFile = "lock"
	indexLockFile = "index.lock"
)

// CacheDir is the directory of the build cache, an entry a file. Package build
// writes them; package image deletes one with the image that its step made.
const CacheDir = "cache"

// ContextsDir is the directory in which package source keeps what it knows of the
// files of build contexts, one file a context.
const ContextsDir = "contexts"

// ErrNotFound is wrapped by the errors about a name that the index has not.
var ErrNotFound = errors.New("name not found")

// Layout is an image store on disk. It holds no open file and needs no closing;
// any number of processes may use one store at the same time.
type Layout struct {
	root  string
	blobs *blob.Store

	index      parsed[*Index]     // as it was a moment ago; see parsed
	references parsed[references] // likewise
}

// Open returns the store at root, making what is missing of it. A directory
// with other things in it is refused, so that a mistyped MINIDOCK_ROOT does not
// scatter files over somebody's home.
func Open(ctx context.Context, root string) (*Layout, error) {
	root, err := filepath.Abs(root) // the process may change its directory later
	if err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	l := &Layout{root: root}
	l.blobs = blob.Open(filepath.Join(root, oci.BlobsDir), l.TempDir())

	b, err := os.ReadFile(filepath.Join(root, oci.LayoutFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = l.create(ctx)
	} else if err == nil {
		_, err = oci.ParseImageLayout(b)
	}
	if err != nil {
		return nil, fmt.Errorf("open image store %s: %w", root, err)
	}
	return l, nil
}

// Root returns the store's directory as an absolute path.
func (l *Layout) Root() string { return l.root }

// Blobs returns the blobs of the store.
func (l *Layout) Blobs() *blob.Store { return l.blobs }

// TempDir returns the directory where everything in the store is born, to be
// renamed into place. It is on the store's file system, and appears when the
// first file is written.
func (l *Layout) TempDir() string { return filepath.Join(l.root, tempDir) }

// create makes an empty store. oci-layout comes last and marks it as complete:
// after a crash in between, or when two processes do this at the same time, the
// next Open finds no mark and does it all again.
func (l *Layout) create(ctx context.Context) error {
	explain.Step(ctx, "make an empty image store at %s", l.root)
	if err := l.checkEmpty(); err != nil {
		return err
	}
	// Nobody else may look in: the layers have setuid programs that must not
	// be run outside of containers (CVE-2021-41091).
	if err := os.MkdirAll(l.root, 0o700); err != nil {
		return err
	}
	for _, dir := range []string{tempDir, filepath.Join(oci.BlobsDir, "sha256")} {
		if err := os.MkdirAll(filepath.Join(l.root, dir), 0o700); err != nil {
			return err
		}
	}
	// The other process may have tagged its first image by now.
	unlock, err := l.lockIndex(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.createIndex(); err != nil {
		return err
	}
	mark, err := oci.Marshal(oci.ImageLayout{Version: oci.LayoutVersion})
	if err != nil {
		return err
	}
	return l.WriteFile(oci.LayoutFile, mark)
}

// checkEmpty refuses a directory with anything in it that create does not make.
func (l *Layout) checkEmpty() error {
	entries, err := os.ReadDir(l.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ours := []string{tempDir, oci.BlobsDir, oci.IndexFile, spareFile, indexLockFile, oci.LayoutFile}
	for _, e := range entries {
		if !slices.Contains(ours, e.Name()) {
			return fmt.Errorf("the directory is not empty and not an image store: it has %q but no %s", e.Name(), oci.LayoutFile)
		}
	}
	return nil
}

// createIndex writes the empty index unless there is one.
func (l *Layout) createIndex() error {
	if _, err := os.Stat(filepath.Join(l.root, oci.IndexFile)); err == nil {
		return nil
	}
	return l.writeIndex([]byte(emptyIndex), true)
}

// WriteFile makes or replaces a file of the store, "index.json" or "cache/<key>":
// readers see the old content or the new, and so do they after a power cut. The
// caller holds the lock of the store, shared, or that of the index; see ClearTemp.
func (l *Layout) WriteFile(name string, b []byte) error {
	if err := l.replace(name, writeBytes(b), (*os.File).Sync); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Join(l.root, name)))
}

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// WriteFiles is WriteFile for several files of one directory, by their names in it. It
// waits for the disk twice, and not twice for each. The functions write the contents,
// several at a time, through a buffer.
func (l *Layout) WriteFiles(dir string, files map[string]func(io.Writer) error) error {
	if len(files) == 0 {
		return nil
	}
	var mu sync.Mutex
	var errs []error
	var wait sync.WaitGroup
	slots := make(chan bool, 16)
	for name, write := range files {
		slots <- true
		wait.Go(func() {
			err := l.replace(dir+"/"+name, write, (*os.File).Sync)
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
			<-slots
		})
	}
	wait.Wait()
	if err := cmp.Or(errs...); err != nil { // one is enough: all have the same disk
		return err
	}
	return syncDir(filepath.Join(l.root, dir))
}

// replace is WriteFile, but for the flushing to disk of the new file, which is
// flush's to do if it is not nil.
func (l *Layout) replace(name string, write func(io.Writer) error, flush func(*os.File) error) error {
	file := filepath.Join(l.root, name)
	for _, dir := range []string{l.TempDir(), filepath.Dir(file)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	kind, _, _ := strings.Cut(name, "/")
	f, err := os.CreateTemp(l.TempDir(), kind+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	defer f.Close()
	buf := bufio.NewWriter(f)
	if err := errors.Join(write(buf), buf.Flush()); err != nil {
		return err
	}
	if flush != nil {
		if err := flush(f); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
