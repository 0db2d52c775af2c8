package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/source"
)

// copying is one COPY, or an ADD of plain files.
type copying struct {
	stage    *stage
	in       dockerfile.Instruction
	paths    []string             // what to copy, variables replaced
	inline   []dockerfile.Heredoc // and here-documents to make files of
	dest     string
	chown    string          // "" without --chown
	mode     int64           // of --chmod; -1 without
	excluded []string        // the patterns of --exclude
	exclude  *ignore.Matcher // and what matches them; nil without

	image  *image.Image  // of --from; nil: the build context
	source source.Source // the files of either; nil until needed
	picked bool          // whether picks is known
	picks  []source.Pick // what the paths turned out to be
}

// parseCopy replaces variables and reads the flags. --link is accepted and
// changes nothing: it promises a layer that does not depend on those below, and
// a layer of COPY never does but for the links on the way to its destination.
func (s *stage) parseCopy(in dockerfile.Instruction) (*copying, error) {
	c := &copying{stage: s, in: in, mode: -1}
	for _, name := range []string{"parents", "checksum", "keep-git-dir", "unpack"} {
		if _, ok := in.Flag(name); ok {
			return nil, unsupported(in.Name + " --" + name)
		}
	}
	paths, inline, dest := in.Sources()
	var err error
	if c.paths, err = s.expandAll(paths); err != nil {
		return nil, err
	}
	if c.dest, err = s.expand(dest); err != nil {
		return nil, err
	}
	for _, p := range c.paths {
		if isURL(p) && in.Name == "COPY" {
			return nil, errors.New("source can't be a URL for COPY")
		} else if isURL(p) {
			return nil, unsupported("ADD of a URL")
		}
	}
	if c.inline, err = s.expandHeredocs(inline); err != nil {
		return nil, err
	}
	return c, c.parseFlags()
}

func isURL(s string) bool {
	for _, scheme := range []string{"http://", "https://", "git://", "git@"} {
		if strings.HasPrefix(s, scheme) {
			return true
		}
	}
	return false
}

// imageOf finds what --from names: an earlier stage, by name or by number, or
// an image; nil without the flag.
func (s *stage) imageOf(ctx context.Context, in dockerfile.Instruction) (*image.Image, error) {
	from, ok := in.Flag("from")
	if !ok {
		return nil, nil
	}
	if strings.Contains(from, "$") {
		return nil, errors.New("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
	}
	d, isStage, err := s.stageOf(in, s.number)
	switch {
	case err != nil:
		return nil, err
	case isStage && (s.stages[d] == nil || s.stages[d].image == nil):
		return nil, fmt.Errorf("copy from stage %s: it is named in an ONBUILD only, and was not built", from)
	case isStage:
		return s.stages[d].image, nil
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
	chown, _ := c.in.Flag("chown")
	chmod, hasMode := c.in.Flag("chmod")
	var err error
	if c.chown, err = c.stage.expand(chown); err != nil {
		return err
	}
	if chmod, err = c.stage.expand(chmod); err != nil {
		return err
	}
	if hasMode {
		if c.mode, err = strconv.ParseInt(chmod, 8, 64); err != nil || c.mode < 0 || c.mode > 0o7777 {
			return fmt.Errorf("invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777", chmod)
		}
	}
	if c.excluded, err = c.stage.expandAll(c.in.FlagValues("exclude")); err != nil {
		return err
	}
	if len(c.excluded) > 0 {
		c.exclude, err = ignore.Parse(strings.NewReader(strings.Join(c.excluded, "\n")))
	}
	return err
}

// text is the instruction for the key. --from is not in it: the files that it
// led to are.
func (c *copying) text() string {
	words := []string{c.in.Name}
	for _, p := range c.excluded {
		words = append(words, strconv.Quote("--exclude="+p))
	}
	for _, p := range c.paths {
		words = append(words, quoteBlank(p))
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
	if c.mode >= 0 {
		s += fmt.Sprintf("--chmod=%o ", c.mode)
	}
	return s
}

// keep reports whether --exclude leaves a file.
func (c *copying) keep(name string, dir bool) (bool, error) {
	excluded, err := c.exclude.Excluded(name, dir)
	return !excluded, err
}

// intoDirectory reports whether the destination is written as a directory.
func (c *copying) intoDirectory() bool {
	return c.dest == "" || c.dest == "." || c.dest == ".." || strings.HasSuffix(c.dest, "/") ||
		strings.HasSuffix(c.dest, "/.") || strings.HasSuffix(c.dest, "/..")
}
