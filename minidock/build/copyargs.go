package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/source"
)

// copying is one COPY or ADD.
type copying struct {
	stage    *stage
	in       dockerfile.Instruction
	paths    []string             // what to copy, variables replaced
	inline   []dockerfile.Heredoc // and here-documents to make files of
	dest     string
	chown    string          // "" without --chown
	owner    *owner          // whom it names; nil until needed
	chmod    string          // "" without --chmod
	mode     modeChange      // what it says
	link     bool            // --link
	parents  bool            // --parents
	unpack   bool            // whether archives among the files are unpacked: ADD, without --unpack=false
	excluded []string        // the patterns of --exclude
	exclude  *ignore.Matcher // and what matches them; nil without

	image  *image.Image  // of --from; nil: the build context
	source source.Source // the files of either; nil until needed
	picked bool          // whether picks is known
	picks  []source.Pick // what the paths turned out to be

	downloads []*download // the URLs among the sources of ADD

	ahead *image.PreparedLayer // the layer, if it was written already; see writeAhead
}

// parseCopy replaces variables and reads the flags.
func (s *stage) parseCopy(in dockerfile.Instruction) (*copying, error) {
	c := &copying{stage: s, in: in}
	paths, inline, dest := in.Sources()
	var err error
	if paths, err = s.expandAll(paths); err != nil {
		return nil, err
	}
	if c.dest, err = s.expand(dest); err != nil {
		return nil, err
	}
	if c.inline, err = s.expandHeredocs(inline); err != nil {
		return nil, err
	}
	if err := c.parseFlags(); err != nil {
		return nil, err
	}
	return c, c.sortPaths(paths)
}

// sortPaths tells the files to download from those to copy.
func (c *copying) sortPaths(paths []string) error {
	text, hasChecksum := c.in.Flag("checksum")
	var checksum digest.Digest
	if hasChecksum {
		if len(paths)+len(c.inline) > 1 {
			return errors.New("checksum can't be specified for multiple sources")
		}
		text, err := c.stage.expand(text)
		if err != nil {
			return err
		}
		if checksum, err = digest.Parse(text); err != nil {
			return fmt.Errorf("invalid checksum: %w", err)
		}
	}
	for _, p := range paths {
		switch {
		case c.in.Name == "COPY" && (isURL(p) || isGit(p)):
			return errors.New("source can't be a URL for COPY")
		case isGit(p):
			return errGit
		case isURL(p):
			d, err := newDownload(p, checksum)
			if err != nil {
				return err
			}
			c.downloads = append(c.downloads, d)
		default:
			c.paths = append(c.paths, p)
		}
	}
	if hasChecksum && len(c.downloads) == 0 {
		return errors.New("checksum can't be specified for non-HTTP(S) sources")
	}
	return nil
}

// imageOf finds what --from names: an earlier stage, by name or by number, or
// an image; nil without the flag.
func (s *stage) imageOf(ctx context.Context, in dockerfile.Instruction) (*image.Image, error) {
	from, _ := in.Flag("from")
	if from == "" { // as if the flag were not there
		return nil, nil
	}
	if strings.Contains(from, "$") {
		return nil, errors.New("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
	}
	return s.imageFrom(ctx, from)
}

// imageFrom finds an earlier stage, or else an image; scratch is one with nothing in it.
func (s *stage) imageFrom(ctx context.Context, from string) (*image.Image, error) {
	d, isStage, err := s.stageFrom(from, s.number)
	switch {
	case err != nil:
		return nil, err
	case isStage && (s.stages[d] == nil || s.stages[d].image == nil):
		return nil, fmt.Errorf("copy from stage %s: it is named in an ONBUILD only, and was not built", from)
	case isStage:
		return s.stages[d].image, nil
	case from == "scratch":
		return &image.Image{}, nil
	}
	found, err := s.findBase(ctx, from)
	if err != nil {
		return nil, err
	}
	return found.Image, nil
}

// expandHeredocs replaces the variables in here-documents whose name is not
// quoted.
func (s *stage) expandHeredocs(docs []dockerfile.Heredoc) ([]dockerfile.Heredoc, error) {
	docs = slices.Clone(docs)
	for i, h := range docs {
		var err error
		if docs[i].Content, err = h.Expanded(s.env); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

func (c *copying) parseFlags() error {
	if _, ok := c.in.Flag("keep-git-dir"); ok {
		return errGit
	}
	c.link, c.parents = c.isSet("link", false), c.isSet("parents", false)
	chown, _ := c.in.Flag("chown")
	chmod, _ := c.in.Flag("chmod")
	var err error
	if c.chown, err = c.stage.expand(chown); err != nil {
		return err
	}
	if c.chmod, err = c.stage.expand(chmod); err != nil {
		return err
	}
	if c.chmod != "" {
		if c.mode, err = parseMode(c.chmod); err != nil {
			return err
		}
	}
	c.unpack = c.isSet("unpack", c.in.Name == "ADD")
	return c.parseExcludes()
}

// parseExcludes makes the patterns of --exclude the lines of a .dockerignore file, for
// they have the same rules. A line with "#" in front would be a comment.
func (c *copying) parseExcludes() (err error) {
	if c.excluded, err = c.stage.expandAll(c.in.FlagValues("exclude")); err != nil || len(c.excluded) == 0 {
		return err
	}
	var lines strings.Builder
	for _, p := range c.excluded {
		if _, err := ignore.Parse(strings.NewReader(p)); err != nil {
			return fmt.Errorf("invalid --exclude=%s: %w", p, errors.Unwrap(err))
		}
		if strings.HasPrefix(p, "#") {
			lines.WriteString(`\`)
		}
		lines.WriteString(p + "\n")
	}
	c.exclude, err = ignore.Parse(strings.NewReader(lines.String()))
	return err
}

// isSet returns the value of a flag that is true or false.
func (c *copying) isSet(name string, otherwise bool) bool {
	value, ok := c.in.Flag(name)
	if !ok {
		return otherwise
	}
	return value == "true"
}

// text is the instruction for the key. --from is not in it: the files that it
// led to are.
func (c *copying) text() string {
	words := []string{c.in.Name}
	for _, flag := range []string{"link", "parents", "unpack"} {
		if _, ok := c.in.Flag(flag); ok {
			words = append(words, fmt.Sprintf("--%s=%t", flag, c.isSet(flag, false)))
		}
	}
	for _, p := range c.excluded {
		words = append(words, strconv.Quote("--exclude="+p))
	}
	for _, p := range c.paths {
		words = append(words, quoteBlank(p))
	}
	for _, d := range c.downloads {
		words = append(words, d.url.Redacted()) // who asks changes nothing
	}
	for _, h := range c.inline {
		words = append(words, "<<"+h.Name)
	}
	words = append(words, quoteBlank(c.dest))
	return strings.Join(slices.Insert(words, 1, strings.Fields(c.flagText())...), " ")
}

// quoteBlank quotes a word that would otherwise look like two.
func quoteBlank(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\"") {
		return strconv.Quote(s)
	}
	return s
}

// flagText is the flags that change the files, as the history shows them.
func (c *copying) flagText() string {
	var s string
	if c.chown != "" {
		s += "--chown=" + c.chown + " "
	}
	if c.mode.octal {
		s += fmt.Sprintf("--chmod=%o ", c.mode.mode)
	} else if c.chmod != "" {
		s += "--chmod=" + c.chmod + " "
	}
	return s
}

// keep returns a function that reports whether --exclude leaves a file, nil without.
func (c *copying) keep() func(name string, dir bool) (bool, error) {
	if c.exclude == nil {
		return nil
	}
	return func(name string, dir bool) (bool, error) {
		excluded, err := c.exclude.Excluded(name, dir)
		return !excluded, err
	}
}

// intoDirectory reports whether the destination is written as a directory.
func (c *copying) intoDirectory() bool {
	return c.dest == "" || c.dest == "." || c.dest == ".." || strings.HasSuffix(c.dest, "/") ||
		strings.HasSuffix(c.dest, "/.") || strings.HasSuffix(c.dest, "/..")
}

// onlyDirectories reports whether there is nothing to copy but directories: they give
// their contents to the destination, which cannot be meant as the name of a file.
func (c *copying) onlyDirectories() bool {
	file := func(p source.Pick) bool { return p.Dir == "" }
	return len(c.downloads) == 0 && len(c.picks) > 0 && !slices.ContainsFunc(c.picks, file)
}
