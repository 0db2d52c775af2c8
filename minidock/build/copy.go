package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// copying is one COPY, or an ADD of plain files.
type copying struct {
	stage   *stage
	in      dockerfile.Instruction
	paths   []string             // what to copy, variables replaced
	inline  []dockerfile.Heredoc // and here-documents to make files of
	dest    string
	chown   string          // "" without --chown
	mode    int64           // of --chmod; -1 without
	exclude *ignore.Matcher // of --exclude; nil without

	image  *image.Image // of --from; nil: the build context
	source source       // the files of either; nil until needed
	picked bool         // whether picks is known
	picks  []pick       // what the paths turned out to be
}

// prepareCopy makes COPY ready. What it copies is hashed here already, because
// it is part of the key.
func (s *stage) prepareCopy(ctx context.Context, in dockerfile.Instruction) (work, error) {
	c, err := s.parseCopy(in)
	if err != nil {
		return work{}, err
	}
	if c.image, err = s.imageOf(ctx, in); err != nil {
		return work{}, err
	}
	inputs, err := c.inputs(ctx)
	if err != nil {
		return work{}, err
	}
	w := work{text: c.text(), inputs: inputs}
	createdBy := s.nop(fmt.Sprintf("%s %s%s in %s ", in.Name, c.flagText(), contentName(inputs), c.dest))
	if c.picked && len(c.picks) == 0 {
		w.warnings = []string{fmt.Sprintf("[Warning] %s: no file matches %s", in.Name, strings.Join(c.paths, " "))}
	}
	w.make = func(ctx context.Context, _ io.Writer) (*image.Image, error) {
		if err := c.pick(ctx); err != nil {
			return nil, err
		}
		if len(c.picks) == 0 {
			return s.changeConfig(func(*oci.ImageConfig) {}, createdBy), nil
		}
		l, err := c.layer(ctx)
		if err != nil {
			return nil, err
		}
		return s.appendLayer(l, createdBy), nil
	}
	return w, nil
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
		docs[i].Content = h.Body()
		if !h.Expand {
			continue
		}
		var err error
		if docs[i].Content, err = s.expand(escapeQuotes(h.Body(), s.File.Escape)); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// escapeQuotes makes quotes ordinary characters: in a file they are part of the
// text, and not of the Dockerfile's syntax.
func escapeQuotes(text string, escape byte) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == escape && i+1 < len(text):
			b.WriteByte(c)
			i++
		case c == '"' || c == '\'':
			b.WriteByte(escape)
		}
		b.WriteByte(text[i])
	}
	return b.String()
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
	if patterns := c.in.FlagValues("exclude"); len(patterns) > 0 {
		if patterns, err = c.stage.expandAll(patterns); err == nil {
			c.exclude, err = ignore.Parse(strings.NewReader(strings.Join(patterns, "\n")))
		}
	}
	return err
}

// text is the instruction for the key. --from is not in it: the files that it
// led to are.
func (c *copying) text() string {
	words := []string{c.in.Name}
	for _, f := range []string{c.flagText(), c.excludeText()} {
		words = append(words, strings.Fields(f)...)
	}
	for _, p := range c.paths {
		words = append(words, quoteBlank(p))
	}
	for _, h := range c.inline {
		words = append(words, "<<"+h.Name)
	}
	return strings.Join(append(words, quoteBlank(c.dest)), " ")
}

// quoteBlank quotes a word that would otherwise look like two.
func quoteBlank(s string) string {
	if s == "" || strings.ContainsAny(s, " \t\"") {
		return strconv.Quote(s)
	}
	return s
}

// flagText is the flags that change the files, for the key and the history.
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

func (c *copying) excludeText() string {
	var s string
	for _, p := range c.in.FlagValues("exclude") {
		s += "--exclude=" + p + " "
	}
	return s
}

// inputs finds and hashes the files to copy.
//
// To hash a file of an image means to read the archive that it is in, so for
// images the list is remembered: layers never change, and the same paths in the
// same layers are the same files for ever. A cached build reads no layer at all.
func (c *copying) inputs(ctx context.Context) ([]Input, error) {
	if c.image == nil || len(c.inline) > 0 {
		return c.hash(ctx)
	}
	cache := c.stage.cache
	key := NewKey([]Input{{"layers", string(chainID(c.image.Layers))}, {"paths", c.text()}})
	if inputs, err := cache.inputs(key); err == nil {
		return inputs, nil
	}
	inputs, err := c.hash(ctx)
	if err != nil {
		return nil, err
	}
	return inputs, cache.put(ctx, key, record{}, inputs)
}

// hash lists the files to copy as inputs.
func (c *copying) hash(ctx context.Context) ([]Input, error) {
	if err := c.pick(ctx); err != nil {
		return nil, err
	}
	if c.in.Name == "ADD" {
		if err := refuseArchives(ctx, c.source, c.picks); err != nil {
			return nil, err
		}
	}
	return hashPicks(ctx, c.source, c.picks)
}

// pick finds the files to copy, once.
func (c *copying) pick(ctx context.Context) error {
	if c.picked {
		return nil
	}
	c.picked = true
	if len(c.paths) > 0 {
		if err := c.open(ctx); err != nil {
			return err
		}
		var err error
		if c.picks, err = pickAll(c.source, c.paths, c.keep); err != nil {
			return c.explainMissing(err)
		}
	}
	for _, h := range c.inline {
		e := layer.Entry{Name: h.Name, Type: layer.TypeReg, Mode: 0o644, Size: int64(len(h.Content)), ModTime: c.stage.now()}
		c.picks = append(c.picks, pick{name: h.Name, files: []layer.Entry{e}, text: &h.Content})
	}
	if len(c.paths)+len(c.inline) > 1 && !c.intoDirectory() {
		return fmt.Errorf("When using %s with more than one source file, the destination must be a directory and end with a /", c.in.Name)
	}
	return nil
}

// open opens where the files are: an image, or the build context.
func (c *copying) open(ctx context.Context) (err error) {
	if c.image != nil {
		c.source, err = c.stage.rootfs(ctx, c.image)
	} else {
		c.source, err = c.stage.openContext()
	}
	return err
}

// explainMissing says what people find when they search for it.
func (c *copying) explainMissing(err error) error {
	var missing *missingError
	switch {
	case !errors.As(err, &missing):
		return err
	case c.image != nil:
		return fmt.Errorf("%s failed: stat %s: file does not exist", c.in.Name, missing.name)
	}
	return fmt.Errorf("%s failed: file not found in build context or excluded by .dockerignore: stat %s: file does not exist", c.in.Name, missing.name)
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

// layer makes the layer: every file gets its place in the image, then all are
// written.
func (c *copying) layer(ctx context.Context) (image.Layer, error) {
	root, err := c.stage.rootfs(ctx, c.stage.image)
	if err != nil {
		return image.Layer{}, err
	}
	var who *owner
	if c.chown != "" {
		o, err := root.owner(ctx, c.chown)
		if err != nil {
			return image.Layer{}, err
		}
		who = &o
	}
	parent := layer.Entry{Type: layer.TypeDir, Mode: 0o755, ModTime: c.stage.clamp(c.newest())}
	d := newDraft(root.view, who.of(parent))
	if err := c.place(d, who); err != nil {
		return image.Layer{}, err
	}
	return c.stage.writeLayer(ctx, d, c.source)
}

// newest is the time of the youngest file. Directories that are made on the way
// get it, so that equal files make equal layers whenever they are copied.
func (c *copying) newest() time.Time {
	var t time.Time
	for _, p := range c.picks {
		for _, e := range p.files {
			if e.ModTime.After(t) {
				t = e.ModTime
			}
		}
	}
	if t.IsZero() {
		return c.stage.now()
	}
	return t
}

// place decides where each file goes. A directory gives its contents to the
// destination; a file becomes the destination, or goes into it if that is a
// directory or is written as one.
func (c *copying) place(d *draft, who *owner) error {
	dest := c.dest
	if !path.IsAbs(dest) {
		dest = path.Join(c.stage.workdir(), dest)
	}
	name, there, err := d.destination(dest)
	exists := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	into := c.intoDirectory() || exists && there.IsDir()
	for _, p := range c.picks {
		if p.dir == "" && !into {
			if err := d.add(c.dressed(p.files[0], name, p, who)); err != nil {
				return err
			}
			continue
		}
		if err := d.mkdirAll(name); err != nil {
			return err
		}
		for _, e := range p.files {
			target := path.Join(name, path.Base(p.name))
			if p.dir != "" {
				target = path.Join(name, below(p.dir, e.Name))
			}
			if err := d.add(c.dressed(e, target, p, who)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dressed is a source file as it will be in the layer.
func (c *copying) dressed(from layer.Entry, name string, p pick, who *owner) drafted {
	e := who.of(from)
	e.Name, e.LinkOf, e.ModTime = name, "", c.stage.clamp(from.ModTime)
	if c.mode >= 0 && e.Type != layer.TypeSymlink {
		e.Mode = c.mode
	}
	return drafted{Entry: e, from: from, text: p.text}
}

// of gives a file to its new owner; without one it keeps the old.
func (o *owner) of(e layer.Entry) layer.Entry {
	if o != nil {
		e.UID, e.GID = o.uid, o.gid
	}
	return e
}
