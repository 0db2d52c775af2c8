package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
	"minidock.dev/minidock/toolbox"
)

// building is the flags of build.
type building struct {
	tags, args, labels     []string
	file, target, progress string
	iidFile, timestamp     string
	noCache, quiet         bool
}

func (a *app) buildCommand(name string) *cobra.Command {
	var opt building
	cmd := &cobra.Command{
		Use:                   name + " [OPTIONS] PATH | -",
		Short:                 "Build an image from a Dockerfile",
		Args:                  exactArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.build(cmd.Context(), args[0], opt)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&opt.tags, "tag", "t", nil, "Name and optionally a tag in the \"name:tag\" format")
	flags.StringVarP(&opt.file, "file", "f", "", "Name of the Dockerfile (default is \"PATH/Dockerfile\")")
	flags.StringArrayVar(&opt.args, "build-arg", nil, "Set build-time variables")
	flags.StringArrayVar(&opt.labels, "label", nil, "Set metadata for an image")
	flags.StringVar(&opt.target, "target", "", "Set the target build stage to build")
	flags.StringVar(&opt.progress, "progress", "auto", "Set type of progress output (auto, plain, tty, quiet)")
	flags.StringVar(&opt.iidFile, "iidfile", "", "Write the image ID to the file")
	flags.StringVar(&opt.timestamp, "timestamp", "", "Date of the image and the latest of its files: seconds since 1970, or RFC 3339 (default $SOURCE_DATE_EPOCH)")
	flags.BoolVar(&opt.noCache, "no-cache", false, "Do not use cache when building the image")
	flags.BoolVarP(&opt.quiet, "quiet", "q", false, "Suppress the build output and print image ID on success")
	return cmd
}

// build reads the Dockerfile and .dockerignore, builds, and names the image.
func (a *app) build(ctx context.Context, path string, opt building) error {
	if !slices.Contains([]string{"auto", "plain", "tty", "quiet"}, opt.progress) {
		return &statusError{125, fmt.Sprintf("invalid argument %q for \"--progress\" flag: one of auto, plain, tty and quiet", opt.progress)}
	}
	names, err := parseTags(opt.tags)
	if err != nil {
		return err
	}
	if _, err := opt.time(); err != nil {
		return err
	}
	source, err := a.readSource(path, opt.file)
	if err != nil {
		return err
	}
	options, err := a.buildOptions(ctx, source, opt)
	if err != nil {
		return err
	}
	l := options.Layout
	release, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	ctx, stop := interruptible(ctx)
	defer stop()
	img, saved, err := a.runBuild(ctx, options, source, opt)
	if status := (*statusError)(nil); errors.As(err, &status) {
		return err // of the same command as root, which has said why
	}
	if err != nil {
		return cmp.Or(interruption(ctx, "build"), source.explainError(err))
	}
	if len(names) == 0 {
		err = l.Add(ctx, saved)
	}
	for _, ref := range names {
		err = cmp.Or(err, tagAs(ctx, l, ref, saved))
	}
	if err != nil {
		return err
	}
	return a.reportBuild(img, names, opt)
}

// time is what stands for the present in the image, so that two builds give the
// same: --timestamp, else the build argument SOURCE_DATE_EPOCH, which package build
// reads itself, else the variable of that name; nil is the clock's.
// (https://reproducible-builds.org/specs/source-date-epoch/)
func (opt *building) time() (*time.Time, error) {
	text, flag := opt.timestamp, "--timestamp"
	if _, given := variables(opt.args)["SOURCE_DATE_EPOCH"]; text == "" && given {
		return nil, nil
	}
	if text == "" {
		text, flag = os.Getenv("SOURCE_DATE_EPOCH"), "SOURCE_DATE_EPOCH"
	}
	if text == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	t := time.Unix(seconds, 0)
	if err != nil && flag == "--timestamp" {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return nil, &statusError{125, fmt.Sprintf("invalid %s %q: want seconds since 1970, or a time such as 2024-01-31T12:00:00Z", flag, text)}
	}
	t = t.UTC()
	return &t, nil
}

func parseTags(tags []string) (names []reference.Reference, err error) {
	for _, tag := range tags {
		ref, err := reference.ParseTarget(tag)
		if err != nil {
			return nil, &statusError{125, fmt.Sprintf("invalid argument %q for \"-t, --tag\" flag: %v\nSee 'docker build --help'.", tag, err)}
		}
		names = append(names, ref)
	}
	return names, nil
}

// A source is what is built: a Dockerfile, and the directory that it may copy
// from, "" when there is none.
type source struct {
	dir       string
	name      string // of the Dockerfile, for messages
	text      []byte
	fromInput bool // the Dockerfile came through standard input
	ignore    *ignore.Matcher
}

func (a *app) readSource(path, file string) (*source, error) {
	if path == "-" {
		text, err := readText(a.In)
		return &source{name: "Dockerfile", text: text, fromInput: true}, err
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	switch info, err := os.Stat(dir); {
	case strings.Contains(path, "://") || strings.HasPrefix(path, "git@"):
		return nil, plainError("unable to prepare context: %q is remote: minidock builds from directories only", path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, plainError("unable to prepare context: path %q not found", path)
	case err != nil:
		return nil, plainError("unable to prepare context: %v", err)
	case !info.IsDir():
		return nil, plainError("unable to prepare context: path %q is not a directory (a Dockerfile is named with -f)", path)
	}
	s := &source{dir: dir, name: file}
	if err := s.readDockerfile(a.In, file); err != nil {
		return nil, err
	}
	s.ignore, err = s.readIgnore()
	return s, err
}

func (s *source) readDockerfile(input io.Reader, file string) (err error) {
	if file == "-" {
		s.name, s.fromInput = "Dockerfile", true
		s.text, err = readText(input)
		return err
	}
	s.name = cmp.Or(file, filepath.Join(s.dir, "Dockerfile"))
	s.text, err = readTextFile(s.name)
	if file == "" && errors.Is(err, os.ErrNotExist) {
		if text, lower := readTextFile(filepath.Join(s.dir, "dockerfile")); lower == nil {
			s.text, err = text, nil
		}
	}
	if file != "" && !filepath.IsAbs(file) && errors.Is(err, os.ErrNotExist) {
		// As the daemon's builder did: relative to the context.
		if text, inside := readTextFile(filepath.Join(s.dir, file)); inside == nil {
			s.text, err = text, nil
		}
	}
	var missing *fs.PathError
	if errors.As(err, &missing) {
		missing.Op = "lstat" // docker's word for it
		return plainError("unable to prepare context: unable to evaluate symlinks in Dockerfile path: %v", missing)
	}
	return err
}

// maxText is the longest Dockerfile, in bytes. Without a limit a link to /dev/zero
// would take all of the memory.
const maxText = 16 << 20

func readText(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("the Dockerfile is longer than %s", units.BytesSize(maxText))
	}
	return text, err
}

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
func (s *source) readIgnore() (*ignore.Matcher, error) {
	names := []string{s.name + ".dockerignore", filepath.Join(s.dir, ".dockerignore")}
	if s.fromInput {
		names = names[1:]
	}
	for _, name := range names {
		file, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return ignore.Parse(io.LimitReader(file, maxText))
	}
	return nil, nil
}

func (a *app) buildOptions(ctx context.Context, s *source, opt building) (build.Options, error) {
	file, err := dockerfile.Parse(bytes.NewReader(s.text))
	if err != nil {
		return build.Options{}, s.explainError(err)
	}
	for _, warning := range file.Warnings {
		fmt.Fprintf(a.Err, "[Warning] %s:%d: %s\n", filepath.Base(s.name), warning.Line, warning.Text)
	}
	l, err := a.layout(ctx)
	if err != nil {
		return build.Options{}, err
	}
	timestamp, err := opt.time()
	if err != nil {
		return build.Options{}, err
	}
	return build.Options{
		Layout: l, File: file, Context: s.dir, Ignore: s.ignore, Timestamp: timestamp,
		Args: variables(opt.args), Target: opt.target, NoCache: opt.noCache, Labels: pairs(opt.labels),
		Base: a.base, Remember: filepath.Join(a.root, layout.ContextsDir),
	}, nil
}

// base finds the image of FROM: here, else the built-in one.
func (a *app) base(ctx context.Context, name string) (*image.Found, error) {
	found, err := a.find(ctx, name)
	var missing *image.NotFoundError
	if !errors.As(err, &missing) {
		return found, err
	}
	if missing.Name == "tiny:latest" {
		return toolbox.Image(ctx, a.images)
	}
	return nil, fmt.Errorf("%w (minidock cannot pull yet: use the built-in image tiny, or make one with minidock import)", err)
}

// runBuild builds as the user who called. Only when a RUN turns out to be
// missing from the cache must that be root: then the whole command starts again
// in a user namespace, where all steps before that RUN are in the cache, and
// goes on printing where this one stopped.
func (a *app) runBuild(ctx context.Context, options build.Options, s *source, opt building) (*image.Image, oci.Descriptor, error) {
	run, finish := a.runFunc()
	defer finish()
	options.Run = run
	progress := a.progress(opt)
	options.Progress = progress
	if progress.out != io.Discard {
		options.Sending = progress.sending
	}
	img, saved, err := build.Build(ctx, options)
	if !errors.Is(err, errNeedsRoot) {
		return img, saved, err
	}
	if s.fromInput {
		if err := a.keepInput(s.text); err != nil {
			return nil, oci.Descriptor{}, err
		}
	}
	return nil, oci.Descriptor{}, a.becomeRoot(ctx, fmt.Sprintf("%s=%d", resumeVariable, progress.step))
}

// errNeedsRoot is what RUN answers an ordinary user.
var errNeedsRoot = errors.New("RUN needs root of a user namespace")

// explainError gives the failed command's own exit code, and for a mistake in
// the Dockerfile shows the lines.
func (s *source) explainError(err error) error {
	var exit *build.ExitError
	var mistake *dockerfile.Error
	switch {
	case errors.As(err, &exit):
		return &statusError{exit.Code, exit.Error()}
	case errors.As(err, &mistake) && mistake.Line > 0:
		return &statusError{1, refusal(err) + "\n" + s.excerpt(mistake)}
	}
	return err
}

// excerpt is the lines of the mistake with their numbers.
func (s *source) excerpt(mistake *dockerfile.Error) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s:%d\n--------------------\n", filepath.Base(s.name), mistake.Line)
	lines := strings.Split(strings.TrimSuffix(string(s.text), "\n"), "\n")
	for n := max(1, mistake.Line-2); n <= min(len(lines), mistake.EndLine+2); n++ {
		mark := "   "
		if n >= mistake.Line && n <= mistake.EndLine {
			mark = ">>>"
		}
		fmt.Fprintf(&out, "%4d | %s %s\n", n, mark, printable(lines[n-1]))
	}
	return out.String() + "--------------------"
}

// printable is a line as a terminal may get it: short, and without control
// characters, for the Dockerfile may be anything.
func printable(line string) string {
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '\uFFFD'
		}
		return r
	}, line)
}

func (a *app) reportBuild(img *image.Image, names []reference.Reference, opt building) error {
	if opt.iidFile != "" {
		if err := os.WriteFile(opt.iidFile, []byte(img.ID()), 0o644); err != nil {
			return err
		}
	}
	if opt.quiet || opt.progress == "quiet" {
		_, err := fmt.Fprintln(a.Out, img.ID())
		return err
	}
	fmt.Fprintln(a.Out, "Successfully built", img.ID().Short())
	for _, ref := range names {
		fmt.Fprintln(a.Out, "Successfully tagged", ref.Familiar())
	}
	return nil
}

// variables reads NAME=value, and a bare NAME from our own environment.
func variables(list []string) map[string]string {
	all := map[string]string{}
	for _, item := range list {
		name, value, given := strings.Cut(item, "=")
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		all[name] = value
	}
	return all
}

// pairs reads key=value; a bare key has an empty value.
func pairs(list []string) map[string]string {
	all := map[string]string{}
	for _, item := range list {
		key, value, _ := strings.Cut(item, "=")
		all[key] = value
	}
	return all
}
