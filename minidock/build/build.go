package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/source"
)

// Options says what to build and with what. Layout and File are required.
type Options struct {
	Layout *layout.Layout   // where images are stored
	File   *dockerfile.File // what to build

	// Context is the directory that COPY reads; "" is an empty one.
	Context string
	// Project tells the earlier builds of the same from those of others, when a miss is
	// to be explained; "" stands for Context.
	Project string
	// Ignore names what is not part of the context (.dockerignore).
	Ignore *ignore.Matcher
	// Args are the values of --build-arg.
	Args map[string]string
	// Target is the name or number of the stage to build; "" is the last.
	Target string
	// NoCache runs every step. The results are remembered all the same.
	NoCache bool
	// Labels are added to the image, as a last LABEL instruction.
	Labels map[string]string
	// Run does RUN. Without it a RUN that is not in the cache is an error.
	Run RunFunc
	// Base finds the image of FROM and of COPY --from; nil finds none.
	Base func(ctx context.Context, name string) (*image.Found, error)
	// Progress hears how it goes; nil is silent.
	Progress Progress
	// Sending hears how many bytes the build context has, as a tar archive, before
	// the first step begins; nil need not know.
	Sending func(bytes int64)
	// Timestamp, when set, stands for the present time in the image, and no
	// file in a layer is younger. The same build then gives the same image.
	Timestamp *time.Time
	// Platform is the one to build for, by default Linux on this machine's
	// processor.
	Platform oci.Platform
	// Squash makes one layer of all that the build adds to its base.
	Squash bool
	// Network is that of each RUN without --network: "" or "default", "none",
	// "host".
	Network string
	// Secrets are the values of --secret, by their id, for RUN --mount=type=secret.
	Secrets map[string][]byte
	// Ulimits and ExtraHosts are those of each RUN; see [RunStep].
	Ulimits, ExtraHosts []string
	// Remember is the directory in which the hashes of the context's files are
	// kept from one build to the next; "" keeps none.
	Remember string
	// Jobs is how many stages are built at once; 0 is the number of processors, and
	// four where there are fewer: most commands wait for something else.
	Jobs int
}

// Build makes the image and returns it with the descriptor of its manifest. The
// image is stored but has no name yet: whoever wants to keep it holds the
// layout's lock around Build and Tag.
//
// Each finished step is stored and remembered at once. A build that fails, or
// dies, leaves nothing else behind, and the next one goes on from there.
//
// An error that a line of the Dockerfile is to blame for is a
// *dockerfile.Error; a command that failed is an *ExitError. Both are in a *StepError
// if a step had begun.
func Build(ctx context.Context, opt Options) (*image.Image, oci.Descriptor, error) {
	b, err := newBuilder(opt)
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	defer b.close()
	release, err := opt.Layout.Lock(ctx)
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	defer release()

	if err := b.globalArgs(); err != nil {
		return nil, oci.Descriptor{}, err
	}
	stages, err := b.plan(ctx)
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	if err := b.announceContext(); err != nil {
		return nil, oci.Descriptor{}, err
	}
	b.announceArgs()
	if err := b.buildStages(ctx, stages); err != nil {
		return nil, oci.Descriptor{}, err
	}
	return stages[len(stages)-1].result(ctx)
}

// builder is one build: the options, and what its stages share.
type builder struct {
	Options
	cache       *cache
	globals     scope          // ARG before the first FROM
	stages      map[int]*stage // those that the target needs
	images      *source.Reader // for COPY
	total       int            // steps of all stages
	anyPlatform bool           // whether nobody has said for which one to build

	// Stages are built at the same time, so what they share is locked.
	mu      sync.Mutex
	context *source.Directory // the build context, once it was opened
	asked   map[string]bool   // names that an ARG instruction has declared

	documents atomic.Int64 // see maxDocuments

	finding sync.Mutex // a base image may have to be fetched, which takes its time
	bases   map[string]*image.Found
}

func newBuilder(opt Options) (*builder, error) {
	if opt.Layout == nil || opt.File == nil {
		return nil, errors.New("build: no layout or no Dockerfile given")
	}
	if len(opt.File.Stages) == 0 {
		return nil, errors.New("no build stage in current context")
	}
	anyPlatform := opt.Platform.OS == ""
	if anyPlatform {
		opt.Platform = image.Host()
	}
	if opt.Progress == nil {
		opt.Progress = silent{}
	}
	opt.Project = cmp.Or(opt.Project, opt.Context)
	if err := epoch(&opt); err != nil {
		return nil, err
	}
	return &builder{
		Options:     opt,
		cache:       openCache(opt.Layout),
		stages:      map[int]*stage{},
		images:      source.NewReader(opt.Layout),
		anyPlatform: anyPlatform,
		asked:       map[string]bool{},
		bases:       map[string]*image.Found{},
	}, nil
}

// epoch honours the build argument by which the whole field asks for images
// that can be made again bit by bit.
// (https://reproducible-builds.org/specs/source-date-epoch/)
func epoch(opt *Options) error {
	s := opt.Args["SOURCE_DATE_EPOCH"]
	if s == "" || opt.Timestamp != nil {
		return nil
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("invalid SOURCE_DATE_EPOCH %q: not a number of seconds", s)
	}
	t := time.Unix(seconds, 0).UTC()
	opt.Timestamp = &t
	return nil
}

// close lets go of the context directory.
func (b *builder) close() {
	if b.context != nil {
		b.context.Close()
	}
}

// openContext opens the context directory, once.
func (b *builder) openContext() (*source.Directory, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.context != nil {
		return b.context, nil
	}
	if b.Context == "" {
		return nil, errors.New("there is no build context to copy from")
	}
	dir, err := source.OpenDirectory(b.Context, b.Ignore, source.DirectoryOptions{Remember: b.Remember})
	if err != nil {
		return nil, err
	}
	b.context = dir
	return dir, nil
}

// announceContext tells how large the context is. All of it is listed for that, once:
// COPY finds its files in the same lists.
func (b *builder) announceContext() error {
	if b.Sending == nil {
		return nil
	}
	size := int64(0)
	if b.Context != "" {
		dir, err := b.openContext()
		if err != nil {
			return err
		}
		size = dir.Size()
	}
	b.Sending(size)
	return nil
}

// now is the time that the image gets to see.
func (b *builder) now() time.Time {
	if b.Timestamp != nil {
		return b.Timestamp.UTC()
	}
	return time.Now().UTC()
}

// clamp is the time of a file as the image gets to see it.
func (b *builder) clamp(t time.Time) time.Time {
	if b.Timestamp != nil && t.After(*b.Timestamp) {
		return b.Timestamp.UTC()
	}
	return t
}

// findBase finds an image by name, once: while somebody moves a tag all stages of a
// build shall mean the same image by it.
func (b *builder) findBase(ctx context.Context, name string) (*image.Found, error) {
	if b.Base == nil {
		return nil, fmt.Errorf("find image %q: there is nowhere to look", name)
	}
	b.finding.Lock()
	defer b.finding.Unlock()
	if f := b.bases[name]; f != nil {
		return f, nil
	}
	f, err := b.Base(ctx, name)
	if err == nil {
		b.bases[name] = f
	}
	return f, err
}

// ask notes that an ARG has asked for a --build-arg.
func (b *builder) ask(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[name] = true
}

// unconsumed is the warning about --build-arg values that no ARG asked for,
// most often misspelt.
func (b *builder) unconsumed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(b.Args)) {
		if !b.asked[name] && !isProxy(name) && name != "SOURCE_DATE_EPOCH" {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil
	}
	return []string{fmt.Sprintf("One or more build-args [%s] were not consumed", strings.Join(names, " "))}
}

// silent is the Progress of a build that nobody watches.
type silent struct{}

func (silent) Step(Step) io.Writer { return io.Discard }
func (silent) Missed(Step, string) {}
func (silent) Result(Result)       {}
