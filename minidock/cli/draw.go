package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/draw"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// drawing is the flags of draw.
type drawing struct {
	svg, tree          bool
	output             string
	depth, rows, width int
}

// A picture is one of those of package draw.
type picture interface {
	Text(draw.Options) string
	SVG() string
}

func (a *app) drawCommand() *cobra.Command {
	var opt drawing
	cmd := &cobra.Command{
		Use:                   "draw [OPTIONS] [IMAGE|CONTAINER...]",
		Short:                 "Draw images, the layers they share, and containers",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opt.tree && len(args) != 1 {
				return wrongCount(cmd, "--tree requires exactly 1 argument")
			}
			return a.draw(cmd.Context(), args, opt)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&opt.svg, "svg", false, "Draw as SVG, instead of text")
	flags.StringVarP(&opt.output, "output", "o", "", "Write to a file, instead of STDOUT; as SVG if its name ends so")
	flags.BoolVar(&opt.tree, "tree", false, "Draw the files that each layer adds, changes and removes")
	flags.IntVar(&opt.depth, "depth", 0, "Depth of --tree in directories (default as much as there is room for)")
	flags.IntVar(&opt.rows, "rows", 20, "Lines for each layer of --tree, -1 for all")
	flags.IntVar(&opt.width, "width", 0, "Columns of text (default those of the terminal, else 80)")
	return cmd
}

// draw draws one image or container, or how several of them, or all, are related.
func (a *app) draw(ctx context.Context, names []string, opt drawing) error {
	// What a container has written belongs to the user's subordinate ids.
	done, forbidden := a.tryBecomeRootFor(ctx, "containers")
	if done != nil {
		return done
	}
	if forbidden != nil {
		fmt.Fprintln(a.Err, "minidock: files of containers that this user may not read are left out:", forbidden)
	}
	if _, err := a.layout(ctx); err != nil {
		return err
	}
	p, damage, err := a.picture(ctx, names, opt)
	if err != nil {
		return err
	}
	text := ""
	if opt.svg || filepath.Ext(opt.output) == ".svg" {
		text = p.SVG()
	} else {
		text = p.Text(opt.text(a.Out))
	}
	err = a.writeOutput(opt.output, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return err
	}
	return damage
}

// text is how text is drawn: for a terminal as wide as that is, and in colour.
func (opt drawing) text(out io.Writer) draw.Options {
	options := draw.Options{Width: opt.width}
	if opt.output != "" {
		return options
	}
	options.Color = colorful(out)
	if f, ok := out.(*os.File); ok && opt.width == 0 {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			options.Width = width
		}
	}
	return options
}

// picture collects what is to be drawn. damage is about what could not be.
func (a *app) picture(ctx context.Context, names []string, opt drawing) (p picture, damage, err error) {
	subjects, err := a.subjects(ctx, names)
	switch {
	case err != nil:
		return nil, nil, err
	case len(names) == 0:
		subjects, damage := a.allImages(ctx)
		p, err := a.ancestry(ctx, subjects, true)
		return p, damage, err
	case opt.tree:
		p, err := a.fileTree(ctx, subjects[0], opt)
		return p, nil, err
	case len(names) > 1:
		p, err := a.ancestry(ctx, subjects, false)
		return p, nil, err
	}
	family, err := a.ancestry(ctx, subjects, false)
	if err != nil {
		return nil, nil, err
	}
	return draw.Stack{Image: family.Images[0]}, nil, nil
}

// allImages are those that `images` lists: without the nameless ones that others were
// built upon.
func (a *app) allImages(ctx context.Context) (list []subject, damage error) {
	listed := map[digest.Digest]bool{}
	summaries, _ := image.Summaries(ctx, a.images) // List says the same of what is damaged
	for _, s := range summaries {
		listed[s.ID] = true
	}
	all, damage := image.List(ctx, a.images)
	for _, f := range all {
		if listed[f.ID()] {
			list = append(list, subject{found: f})
		}
	}
	return list, damage
}

// A subject is what a name means: an image, or a container and perhaps its image.
type subject struct {
	found     *image.Found // nil when the container's image was removed
	container *drawnContainer
}

// A drawnContainer is what is drawn of a container.
type drawnContainer struct {
	id, name  string
	image     digest.Digest
	imageName string
	layers    []oci.DiffID
	// measure counts what is in the writable layer, and tree reads its names.
	measure func(context.Context) draw.Container
	tree    func(context.Context) (*layer.Tree, error)
	// layerSize is the size of one of layers, as it is unpacked.
	layerSize func(oci.DiffID) int64
}

func (a *app) subjects(ctx context.Context, names []string) (list []subject, err error) {
	for _, name := range names {
		s, err := a.subject(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// subject finds a container, else an image, of that name, as inspect does.
func (a *app) subject(ctx context.Context, name string) (s subject, err error) {
	s.container, err = a.findContainer(ctx, name)
	if err != nil && !isMissing(err) {
		return s, err
	}
	if err == nil {
		s.found, err = a.find(ctx, s.container.image.String())
	} else {
		s.found, err = a.find(ctx, name)
	}
	missing := (*image.NotFoundError)(nil)
	switch {
	case errors.As(err, &missing) && s.container != nil:
		return s, nil
	case err != nil && isMissing(err):
		return s, plainError("Error: No such object: %s", name)
	}
	return s, err
}

// ancestry draws images with their containers: those of an image that was named, and
// a container that was named. With everything, also those whose image was removed.
func (a *app) ancestry(ctx context.Context, subjects []subject, everything bool) (draw.Ancestry, error) {
	containers, err := a.drawnContainers(ctx)
	if err != nil {
		return draw.Ancestry{}, err
	}
	var list gathering
	for _, s := range subjects {
		if s.container != nil {
			list.add(ctx, a, s)
			continue
		}
		list.image(ctx, a, s)
		for _, c := range containers {
			if c.image == s.found.ID() {
				list.add(ctx, a, subject{s.found, c})
			}
		}
	}
	for _, c := range containers {
		if everything && !slices.ContainsFunc(subjects, func(s subject) bool { return s.found.ID() == c.image }) {
			list.add(ctx, a, subject{nil, c})
		}
	}
	return draw.Ancestry{Images: list.images}, nil
}

// A gathering is images, each once, with containers, each once.
type gathering struct{ images []draw.Image }

func (g *gathering) image(ctx context.Context, a *app, s subject) *draw.Image {
	drawn := a.drawnImage(ctx, s)
	for n := range g.images {
		if g.images[n].ID == drawn.ID {
			return &g.images[n]
		}
	}
	g.images = append(g.images, drawn)
	return &g.images[len(g.images)-1]
}

func (g *gathering) add(ctx context.Context, a *app, s subject) {
	i := g.image(ctx, a, s)
	if !slices.ContainsFunc(i.Containers, func(c draw.Container) bool { return c.ID == s.container.id }) {
		i.Containers = append(i.Containers, s.container.measure(ctx))
	}
}

// drawnImage is an image, or what a container remembers of one that was removed.
func (a *app) drawnImage(ctx context.Context, s subject) draw.Image {
	if c := s.container; s.found == nil {
		i := draw.Image{Names: []string{c.imageName + " (removed)"}, ID: c.image.String()}
		for _, id := range c.layers {
			i.Steps = append(i.Steps, draw.Step{DiffID: id.String(), Size: c.layerSize(id)})
		}
		return i
	}
	tags, digests := tagsAndDigests(slices.DeleteFunc(slices.Clone(s.found.Names), func(name string) bool { return name == "" }))
	if len(tags) == 0 {
		tags = digests
	}
	return draw.Image{Names: tags, ID: s.found.ID().String(), Steps: a.steps(ctx, s.found)}
}

// steps puts the history and the layers together: the rows that have a layer are, in
// order, the layers. What either says too much stands for itself.
func (a *app) steps(ctx context.Context, f *image.Found) (steps []draw.Step) {
	layers := f.Layers
	step := func(createdBy string) draw.Step {
		la := layers[0]
		layers = layers[1:]
		return draw.Step{CreatedBy: createdBy, DiffID: la.DiffID.String(), Size: la.Size(ctx, a.images)}
	}
	for _, h := range f.Config.History {
		text := cmp.Or(h.CreatedBy, h.Comment) // import leaves a comment
		if h.EmptyLayer || len(layers) == 0 {
			steps = append(steps, draw.Step{CreatedBy: text})
			continue
		}
		steps = append(steps, step(text))
	}
	for len(layers) > 0 {
		steps = append(steps, step(""))
	}
	return steps
}
