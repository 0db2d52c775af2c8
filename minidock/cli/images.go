package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/image"
)

// listing is the flags of images.
type listing struct {
	all, quiet, noTrunc, digests bool
	format                       string
	filters                      filters
}

func (a *app) imagesCommand(name string, aliases ...string) *cobra.Command {
	var opt listing
	cmd := &cobra.Command{
		Use:                   name + " [OPTIONS] [REPOSITORY[:TAG]]",
		Aliases:               aliases,
		Short:                 "List images",
		Args:                  maxArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, pattern := range args {
				opt.filters.Set("reference=" + pattern)
			}
			listed, err := a.listImages(cmd.Context(), opt)
			if err == nil && listed == 0 && name == "images" && len(args) == 1 {
				a.didYouMean(cmd.Root().Commands(), args[0])
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&opt.all, "all", "a", false, "Show all images (default hides intermediate images)")
	flags.BoolVarP(&opt.quiet, "quiet", "q", false, "Only show image IDs")
	flags.BoolVar(&opt.noTrunc, "no-trunc", false, "Don't truncate output")
	flags.BoolVar(&opt.digests, "digests", false, "Show digests")
	flags.StringVar(&opt.format, "format", "", "Format output using a custom template, or json")
	flags.VarP(&opt.filters, "filter", "f", "Filter output based on conditions provided (before, dangling, label, reference, since, until)")
	return cmd
}

// didYouMean speaks up for whoever types `docker images ls` instead of `docker
// image ls`.
func (a *app) didYouMean(commands []*cobra.Command, word string) {
	for _, group := range commands {
		if group.Name() != "image" {
			continue
		}
		if _, rest, err := group.Find([]string{word}); err == nil && len(rest) == 0 {
			fmt.Fprintf(a.Err, "No images found matching %q: did you mean \"%s image %[1]s\"?\n", word, a.name)
		}
	}
}

// listImages prints the images and returns how many lines there were to print.
func (a *app) listImages(ctx context.Context, opt listing) (listed int, err error) {
	now := time.Now()
	keep, err := a.parseImageFilters(ctx, opt.filters, now)
	if err != nil {
		return 0, err
	}
	l, err := a.layout(ctx)
	if err != nil {
		return 0, err
	}
	list, damage := image.Summaries(ctx, l)
	if opt.all && !keep.dangling { // which are at the end of a chain, and not between
		between, err := image.Intermediates(ctx, l)
		if err != nil {
			return 0, err
		}
		list = append(list, between...)
		slices.SortStableFunc(list, newestFirst)
	}
	t := opt.table()
	for _, summary := range list {
		if names, ok := keep.match(summary); ok {
			t.rows = append(t.rows, imageRows(summary, names, opt, now)...)
		}
	}
	if err := t.write(a.Out, opt.template()); err != nil {
		return 0, err
	}
	return len(t.rows), damage
}

// newestFirst orders images by age; one of unknown age is the oldest.
func newestFirst(a, b *image.Summary) int {
	var whenA, whenB time.Time
	if a.Created != nil {
		whenA = *a.Created
	}
	if b.Created != nil {
		whenB = *b.Created
	}
	return whenB.Compare(whenA)
}

// template is the format to print in. A format of the user's own beats -q.
func (opt listing) template() string {
	switch plain := opt.format == "" || opt.format == "table"; {
	case opt.quiet && plain:
		return "{{.ID}}"
	case opt.quiet && opt.format == "raw":
		return "image_id: {{.ID}}"
	case opt.digests && !plain && strings.HasPrefix(opt.format, "table") && !strings.Contains(opt.format, "{{.Digest}}"):
		return opt.format + `\t{{.Digest}}`
	}
	return opt.format
}

// showsDigests tells whether an image has a row for each of its digests.
func (opt listing) showsDigests() bool {
	return opt.digests || strings.Contains(opt.format, "{{.Digest}}")
}

func (opt listing) table() *table {
	digest := ""
	t := &table{
		columns: []string{"Repository", "Tag", "ID", "CreatedSince", "Size"},
		headers: imageHeaders(),
	}
	if opt.digests {
		digest = "digest: {{.Digest}}\n"
		t.columns = slices.Insert(t.columns, 2, "Digest")
	}
	t.raw = "repository: {{.Repository}}\ntag: {{.Tag}}\n" + digest +
		"image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
	return t
}

func imageHeaders() map[string]string {
	return map[string]string{
		"Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "ID": "IMAGE ID",
		"CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "Size": "SIZE", "Containers": "CONTAINERS",
		"SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE", "VirtualSize": "SIZE",
	}
}

// imageRows gives an image a row for each of its names, or one for none.
func imageRows(summary *image.Summary, names []string, opt listing, now time.Time) (rows []map[string]string) {
	row := imageCells(summary, opt.noTrunc, now)
	for _, name := range splitNames(names, opt.showsDigests()) {
		named := maps.Clone(row)
		named["Repository"], named["Tag"], named["Digest"] = name.repository, name.tag, name.digest
		rows = append(rows, named)
	}
	return rows
}

// imageCells are the fields that are the same whatever the name.
func imageCells(summary *image.Summary, noTrunc bool, now time.Time) map[string]string {
	cells := map[string]string{
		"ID": summary.ID.Short(), "CreatedSince": "N/A", "CreatedAt": "N/A", "Size": size(summary.Size),
		"Containers": "N/A", "SharedSize": "N/A", "UniqueSize": "N/A", "VirtualSize": size(summary.Size),
	}
	if noTrunc {
		cells["ID"] = summary.ID.String()
	}
	if created := summary.Created; created != nil {
		cells["CreatedSince"] = age(*created, now)
		cells["CreatedAt"] = created.Local().Format("2006-01-02 15:04:05 -0700 MST")
	}
	return cells
}

// shownName is one name of an image, in the columns where images shows it.
type shownName struct{ repository, tag, digest string }

// splitNames makes the rows of an image: a row for every tag, beside each of the
// digests that the repository has given it if digests are wanted, then one for a
// repository that has given digests only. A nameless image has one row, too.
func splitNames(names []string, digests bool) (rows []shownName) {
	const none = "<none>"
	byRepository := map[string][]string{}
	for _, name := range names {
		if repository, digest, ok := strings.Cut(name, "@"); ok {
			repository, _ = cutTag(repository)
			byRepository[repository] = append(byRepository[repository], digest)
		}
	}
	tagged := map[string]bool{}
	for _, name := range names {
		if strings.Contains(name, "@") {
			continue
		}
		repository, tag := cutTag(name)
		tagged[repository] = true
		if !digests || len(byRepository[repository]) == 0 {
			rows = append(rows, shownName{repository, tag, none})
			continue
		}
		for _, digest := range byRepository[repository] {
			rows = append(rows, shownName{repository, tag, digest})
		}
	}
	for _, repository := range slices.Sorted(maps.Keys(byRepository)) {
		switch {
		case tagged[repository]:
		case !digests:
			rows = append(rows, shownName{repository, none, none})
		default:
			for _, digest := range byRepository[repository] {
				rows = append(rows, shownName{repository, none, digest})
			}
		}
	}
	if rows == nil {
		rows = []shownName{{none, none, none}}
	}
	return rows
}

// cutTag splits "localhost:5000/app:1" in front of the tag. Other tools leave the
// tag out of the index where it is the usual one.
func cutTag(name string) (repository, tag string) {
	at := strings.LastIndexByte(name, ':')
	if at < 0 || strings.Contains(name[at:], "/") {
		return name, "latest"
	}
	return name[:at], name[at+1:]
}

// tagsAndDigests tells apart the names that have a tag and those that are
// repository@digest.
func tagsAndDigests(names []string) (tags, digests []string) {
	tags, digests = []string{}, []string{}
	for _, name := range names {
		if repository, digest, ok := strings.Cut(name, "@"); ok {
			repository, _ = cutTag(repository)
			digests = append(digests, fmt.Sprintf("%s@%s", repository, digest))
			continue
		}
		repository, tag := cutTag(name)
		tags = append(tags, repository+":"+tag)
	}
	return tags, digests
}
