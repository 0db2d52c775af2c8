package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// inspectedImage is what inspect shows of an image, in docker's order.
type inspectedImage struct {
	ID           string `json:"Id"`
	RepoTags     []string
	RepoDigests  []string
	Parent       string
	Comment      string
	Created      string
	Author       string
	Config       oci.Config
	Architecture string
	Variant      string `json:",omitempty"`
	Os           string
	Size         int64
	RootFS       inspectedRootFS
	Descriptor   oci.Descriptor
}

type inspectedRootFS struct {
	Type   string
	Layers []oci.DiffID
}

// A lookup finds an object of one kind; its error says when there is none.
type lookup struct {
	kind string
	find func(ctx context.Context, name string) (any, error)
}

func (a *app) inspectCommand() *cobra.Command {
	var format, kind string
	cmd := &cobra.Command{
		Use:                   "inspect [OPTIONS] NAME|ID [NAME|ID...]",
		Short:                 "Return low-level information on containers and images",
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			lookups := []lookup{{"container", a.inspectContainer}, {"image", a.inspectImage}}
			lookups = slices.DeleteFunc(lookups, func(l lookup) bool { return kind != "" && kind != l.kind })
			if len(lookups) == 0 {
				return plainError("%q is not a valid value for --type", kind)
			}
			return a.inspect(cmd.Context(), args, format, lookups)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Format output using a custom template, or json")
	cmd.Flags().StringVar(&kind, "type", "", "Return JSON for specified type (container, image)")
	return cmd
}

// imageInspectCommand is `image inspect`; the containers' group has its own.
func (a *app) imageInspectCommand() *cobra.Command {
	return a.inspectKind("IMAGE", "Display detailed information on one or more images", lookup{"image", a.inspectImage})
}

func (a *app) inspectKind(what, short string, l lookup) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:                   fmt.Sprintf("inspect [OPTIONS] %s [%s...]", what, what),
		Short:                 short,
		Args:                  minArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inspect(cmd.Context(), args, format, []lookup{l})
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Format output using a custom template, or json")
	return cmd
}

// inspect prints what it finds even when something is missing.
func (a *app) inspect(ctx context.Context, names []string, format string, lookups []lookup) error {
	objects := []any{}
	var missing []string
	for _, name := range names {
		object, err := findFirst(ctx, name, lookups)
		if err != nil {
			missing = append(missing, refusal(err))
			continue
		}
		if object == nil {
			missing = append(missing, missingText(name, lookups))
			continue
		}
		objects = append(objects, object)
	}
	if err := a.printObjects(objects, format); err != nil {
		return err
	}
	if len(missing) > 0 {
		return &statusError{1, strings.Join(missing, "\n")}
	}
	return nil
}

func missingText(name string, lookups []lookup) string {
	if len(lookups) == 1 {
		return fmt.Sprintf("Error: No such %s: %s", lookups[0].kind, name)
	}
	return "Error: No such object: " + name
}

// findFirst returns nothing for a name that nothing has. An error is about
// something that may be there: an ambiguous ID, or a damaged store.
func findFirst(ctx context.Context, name string, lookups []lookup) (any, error) {
	for _, l := range lookups {
		object, err := l.find(ctx, name)
		if err == nil {
			return object, nil
		}
		if !isMissing(err) {
			return nil, err
		}
	}
	return nil, nil
}

// isMissing recognises docker's text for a name that nothing has, and a name
// that nothing can have.
func isMissing(err error) bool {
	return strings.HasPrefix(err.Error(), "No such ") || errors.Is(err, reference.ErrInvalid)
}

func (a *app) printObjects(objects []any, format string) error {
	if format == "" {
		text, err := indentedJSON(objects)
		if err != nil {
			return err
		}
		_, err = a.Out.Write(text)
		return err
	}
	if format == "json" {
		format = "{{json .}}"
	}
	tmpl, err := parseTemplate(format)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		fmt.Fprintln(a.Out)
	}
	for _, object := range objects {
		fields, err := toFields(object)
		if err != nil {
			return err
		}
		var line bytes.Buffer
		if err := tmpl.Execute(&line, fields); err != nil {
			return templateError(err)
		}
		fmt.Fprintln(a.Out, line.String())
	}
	return nil
}

func indentedJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "    ")
	err := encoder.Encode(v)
	return buf.Bytes(), err
}

// toFields turns an object into what its JSON says, so that a template names
// fields as the printed JSON does. Numbers stay as they are written.
func toFields(object any) (any, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var fields any
	err = decoder.Decode(&fields)
	return fields, err
}

func (a *app) inspectImage(ctx context.Context, name string) (any, error) {
	found, err := a.find(ctx, name)
	if err != nil {
		return nil, err
	}
	object := inspectedImage{
		ID: found.ID().String(), RepoTags: append([]string{}, found.Names...), RepoDigests: []string{},
		Author: found.Config.Author, Config: found.Config.Config,
		Architecture: found.Config.Architecture, Variant: found.Config.Variant, Os: found.Config.OS,
		Size:       found.Size(ctx, a.images),
		RootFS:     inspectedRootFS{"layers", append([]oci.DiffID{}, found.DiffIDs()...)},
		Descriptor: oci.Descriptor{MediaType: found.Descriptor.MediaType, Digest: found.Descriptor.Digest, Size: found.Descriptor.Size},
	}
	if created := found.Config.Created; created != nil {
		object.Created = created.UTC().Format("2006-01-02T15:04:05.999999999Z")
	}
	if parent, err := a.parentOf(ctx, found.Image); err == nil && parent != nil {
		object.Parent = parent.ID().String()
	}
	if history := found.Config.History; len(history) > 0 {
		object.Comment = history[len(history)-1].Comment
	}
	return object, nil
}

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
