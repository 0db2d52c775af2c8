package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"

	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/layout"
)

// A recipe is what is built: a Dockerfile, the directory that it may copy from, "" when
// there is none, and the secrets. It has all that is read before the build begins,
// because what comes through a pipe can be read once only.
type recipe struct {
	Dir     string
	Name    string // of the Dockerfile, for messages
	Text    []byte
	Ignore  *[]byte // the text of .dockerignore, if there is one
	Secrets map[string][]byte

	Temporary bool // Dir is a copy of what came through standard input
}

// readRecipe reads what a build needs, if another process has not done so already.
func (a *app) readRecipe(ctx context.Context, path string, opt *building, r *relay) (*recipe, error) {
	if r != nil {
		return r.recipe, nil
	}
	if path == "-" && opt.file == "-" {
		return nil, plainError("invalid argument: can't use stdin for both build context and dockerfile")
	}
	secrets, err := readSecrets(opt.secrets)
	if err != nil {
		return nil, err
	}
	s := &recipe{Secrets: secrets}
	if path == "-" {
		return s, a.readInput(ctx, s, opt.file)
	}
	if err := s.useDirectory(path); err != nil {
		return nil, err
	}
	if err := s.readDockerfile(ctx, a.In, opt.file); err != nil {
		return nil, err
	}
	return s, s.readIgnore(opt.file == "-")
}

// useDirectory makes a directory the context.
func (s *recipe) useDirectory(path string) error {
	dir, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	switch info, err := os.Stat(dir); {
	case err != nil && isRemote(path):
		return plainError("unable to prepare context: %q is remote: minidock fetches nothing. Clone or download it first, or pipe it in: curl -L URL | minidock build -", path)
	case errors.Is(err, fs.ErrNotExist):
		return plainError("unable to prepare context: path %q not found", path)
	case err != nil:
		return plainError("unable to prepare context: %v", err)
	case !info.IsDir():
		return plainError("unable to prepare context: path %q is not a directory (a Dockerfile is named with -f)", path)
	}
	s.Dir = dir
	return nil
}

// isRemote reports whether docker would fetch it.
func isRemote(path string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "git@", "github.com/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return strings.Contains(path, "://")
}

func (s *recipe) readDockerfile(ctx context.Context, input io.Reader, file string) (err error) {
	if file == "-" {
		s.Name = "Dockerfile"
		s.Text, err = readText(untilDone(ctx, input))
		return err
	}
	s.Name = cmp.Or(file, filepath.Join(s.Dir, "Dockerfile"))
	s.Text, err = readTextFile(s.Name)
	if file == "" && errors.Is(err, os.ErrNotExist) {
		if text, lower := readTextFile(filepath.Join(s.Dir, "dockerfile")); lower == nil {
			s.Text, err = text, nil
		}
	}
	if file != "" && !filepath.IsAbs(file) && errors.Is(err, os.ErrNotExist) {
		// As the daemon's builder did: relative to the context.
		if text, inside := readTextFile(filepath.Join(s.Dir, file)); inside == nil {
			s.Name, s.Text, err = filepath.Join(s.Dir, file), text, nil
		}
	}
	return noDockerfile(err)
}

// noDockerfile is docker's text for a Dockerfile that is not there.
func noDockerfile(err error) error {
	var missing *fs.PathError
	if errors.As(err, &missing) {
		missing.Op = "lstat" // docker's word for it
		return plainError("unable to prepare context: unable to evaluate symlinks in Dockerfile path: %v", missing)
	}
	return err
}

// readInput reads `build -`: a Dockerfile without a context, or a context as an archive.
// Nothing but the first bytes tells which. The archive is unpacked into the store's
// directory for temporary files.
func (a *app) readInput(ctx context.Context, s *recipe, file string) error {
	in := bufio.NewReaderSize(untilDone(ctx, a.In), 64<<10)
	head, err := in.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	if !isArchive(head) {
		if file != "" {
			return plainError("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles")
		}
		s.Name = "Dockerfile"
		s.Text, err = readText(in)
		return err
	}
	if s.Dir, err = os.MkdirTemp(filepath.Join(a.root, "tmp"), "context-"); err != nil {
		return err
	}
	s.Temporary = true
	if err = unpackContext(ctx, s.Dir, in); err == nil {
		err = s.readUnpacked(cmp.Or(file, "Dockerfile"))
	}
	if err != nil {
		s.remove()
	}
	return err
}

// readUnpacked reads the Dockerfile and .dockerignore out of an unpacked archive. A
// link in it may lead anywhere, so it is read through a root that nothing leaves.
func (s *recipe) readUnpacked(file string) error {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	read := func(name string) ([]byte, error) {
		f, err := root.Open(filepath.FromSlash(strings.TrimPrefix(filepath.ToSlash(name), "/")))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readText(f)
	}
	s.Name = file
	if s.Text, err = read(file); err != nil {
		return noDockerfile(err)
	}
	for _, name := range []string{file + ".dockerignore", ".dockerignore"} {
		text, err := read(name)
		if err == nil {
			s.Ignore = &text
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// remove deletes a context that was unpacked. Directories in it may be such that not
// even their owner can write there.
func (s *recipe) remove() {
	if !s.Temporary {
		return
	}
	if os.RemoveAll(s.Dir) == nil {
		return
	}
	filepath.WalkDir(s.Dir, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	os.RemoveAll(s.Dir)
}

// maxText is the longest Dockerfile, in bytes. Without a limit a link to /dev/zero
// would take all of the memory.
const maxText = 16 << 20

func readText(r io.Reader) ([]byte, error) {
	text, err := readAtMost(r, maxText+1)
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("the Dockerfile is longer than %s", units.BytesSize(maxText))
	}
	return text, err
}

func readAtMost(r io.Reader, n int64) ([]byte, error) { return io.ReadAll(io.LimitReader(r, n)) }

func readTextFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readText(file)
}

// readIgnore reads NAME.dockerignore beside the Dockerfile if there is one,
// else .dockerignore of the context.
func (s *recipe) readIgnore(fromInput bool) error {
	names := []string{s.Name + ".dockerignore", filepath.Join(s.Dir, ".dockerignore")}
	if fromInput {
		names = names[1:]
	}
	for _, name := range names {
		text, err := readTextFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s.Ignore = &text
		return nil
	}
	return nil
}

// rememberIn is where the digests of the context's files are kept, "" if they will not
// be there a second time.
func (s *recipe) rememberIn(root string) string {
	if s.Temporary || s.Dir == "" {
		return ""
	}
	return filepath.Join(root, layout.ContextsDir)
}

// project is the directory that is built. What comes through a pipe belongs to the one
// where the command is typed.
func (s *recipe) project() string {
	if s.Dir != "" && !s.Temporary {
		return s.Dir
	}
	here, _ := os.Getwd() // without it a miss has no reason, and that is all
	return here
}

// ignored parses .dockerignore; nil excludes nothing.
func (s *recipe) ignored() (*ignore.Matcher, error) {
	if s.Ignore == nil {
		return nil, nil
	}
	return ignore.Parse(bytes.NewReader(*s.Ignore))
}
