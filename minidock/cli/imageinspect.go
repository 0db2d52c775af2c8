package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// The types below are docker's JSON for `inspect` of an image: field names, order,
// and which of them are left out when they are empty.

type imageJSON struct {
	ID            string `json:"Id"`
	RepoTags      []string
	RepoDigests   []string
	Parent        string
	Comment       string
	Created       string `json:",omitempty"`
	DockerVersion string // what made it; docker's own version, so never ours
	Author        string
	Config        imageConfigJSON
	Architecture  string
	Variant       string `json:",omitempty"`
	Os            string
	OsVersion     string `json:",omitempty"`
	Size          int64
	GraphDriver   imageDriverJSON
	RootFS        imageRootFSJSON
	Metadata      imageMetadataJSON
	Descriptor    oci.Descriptor
}

// imageConfigJSON is the whole configuration of a container, as docker once kept
// it in images. The fields that the OCI specification has no place for are always
// empty, but scripts ask for them.
type imageConfigJSON struct {
	Hostname, Domainname, User              string
	AttachStdin, AttachStdout, AttachStderr bool
	ExposedPorts                            map[string]struct{} `json:",omitempty"`
	Tty, OpenStdin, StdinOnce               bool
	Env, Cmd                                []string
	Healthcheck                             *oci.Healthcheck `json:",omitempty"`
	ArgsEscaped                             bool             `json:",omitempty"`
	Image                                   string
	Volumes                                 map[string]struct{}
	WorkingDir                              string
	Entrypoint, OnBuild                     []string
	Labels                                  map[string]string
	StopSignal                              string   `json:",omitempty"`
	StopTimeout                             *int     `json:",omitempty"`
	Shell                                   []string `json:",omitempty"`
}

type imageDriverJSON struct {
	Data map[string]string
	Name string
}

type imageRootFSJSON struct {
	Type   string
	Layers []oci.DiffID `json:",omitempty"`
}

// imageMetadataJSON is the engine's own and no part of the image. When a name was
// given nobody writes down, so the time is docker's for "never": the year one.
type imageMetadataJSON struct{ LastTagTime time.Time }

func (a *app) inspectImage(ctx context.Context, name string) (any, error) {
	found, err := a.find(ctx, name)
	if err != nil {
		return nil, err
	}
	config := found.Config
	object := imageJSON{
		ID: found.ID().String(), Author: config.Author, Config: imageConfig(config.Config),
		Architecture: config.Architecture, Variant: config.Variant, Os: config.OS, OsVersion: config.OSVersion,
		Size:        found.Size(ctx, a.images),
		GraphDriver: a.imageDriver(found.DiffIDs()),
		RootFS:      imageRootFSJSON{"layers", found.DiffIDs()},
		Descriptor:  oci.Descriptor{MediaType: found.Descriptor.MediaType, Digest: found.Descriptor.Digest, Size: found.Descriptor.Size},
	}
	object.RepoTags, object.RepoDigests = tagsAndDigests(found.Names)
	if config.Created != nil {
		object.Created = config.Created.UTC().Format(time.RFC3339Nano)
	}
	if parent, err := a.parentOf(ctx, found.Image); err == nil && parent != nil {
		object.Parent = parent.ID().String()
	}
	if history := config.History; len(history) > 0 {
		object.Comment = history[len(history)-1].Comment
	}
	return object, nil
}

func imageConfig(c oci.Config) imageConfigJSON {
	return imageConfigJSON{
		User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Cmd: c.Cmd, Healthcheck: c.Healthcheck,
		ArgsEscaped: c.ArgsEscaped, Volumes: c.Volumes, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint,
		OnBuild: c.OnBuild, Labels: c.Labels, StopSignal: c.StopSignal, Shell: c.Shell,
	}
}

// imageDriver says where the layers are unpacked, or will be when the first
// container needs them. The top one is the "upper" of an image; where an image would
// be mounted, and with which work directory, is decided for each container.
func (a *app) imageDriver(layers []oci.DiffID) imageDriverJSON {
	var dirs []string
	for _, id := range slices.Backward(layers) {
		dirs = append(dirs, a.layerDir(id))
	}
	data := map[string]string{"MergedDir": "", "UpperDir": "", "WorkDir": ""}
	if len(dirs) > 0 {
		data["UpperDir"] = dirs[0]
	}
	if len(dirs) > 1 {
		data["LowerDir"] = strings.Join(dirs[1:], ":")
	}
	return imageDriverJSON{data, "overlay2"}
}

// layerDir is where a layer is unpacked.
func (a *app) layerDir(id oci.DiffID) string { return filepath.Join(a.root, "layers", id.Hex()) }

// parentOf loads the image one step below, nil if there is none.
func (a *app) parentOf(ctx context.Context, img *image.Image) (*image.Image, error) {
	if img.Parent() == "" {
		return nil, nil
	}
	size, err := a.images.Blobs().Size(img.Parent())
	if err != nil {
		return nil, err
	}
	return image.Load(ctx, a.images, oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: img.Parent(), Size: size})
}
