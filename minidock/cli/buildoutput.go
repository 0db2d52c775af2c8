package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"minidock.dev/minidock/archive"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
	"minidock.dev/minidock/source"
)

// A buildOutput is where the result of a build goes.
type buildOutput struct {
	kind string // "local": a directory of files; "tar": the same in an archive; "oci", "docker": an image
	dest string // "" is standard output
}

// parseOutputs reads -o: a directory, "-", or one line of CSV with fields key=value.
func parseOutputs(list []string) (outputs []buildOutput, err error) {
	stdout := 0
	for _, item := range list {
		out, keep, err := parseOutput(item)
		if err != nil {
			return nil, err
		}
		if keep {
			outputs = append(outputs, out)
		}
		if keep && out.dest == "" {
			stdout++
		}
	}
	if stdout > 1 {
		return nil, plainError("only one output can go to standard output")
	}
	return outputs, nil
}

// parseOutput reads one. The store is no output: the image is there in any case.
func parseOutput(item string) (out buildOutput, keep bool, err error) {
	fields, err := csv.NewReader(strings.NewReader(item)).Read()
	if err != nil {
		return out, false, wrongFlag("output", item, err.Error())
	}
	if len(fields) == 1 && !strings.Contains(item, "=") {
		if item == "-" {
			return buildOutput{kind: "tar"}, true, nil
		}
		return buildOutput{kind: "local", dest: item}, true, nil
	}
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		switch {
		case !ok:
			return out, false, wrongFlag("output", item, fmt.Sprintf("invalid value %s", field))
		case key == "type":
			out.kind = value
		case key == "dest" && value == "-":
			out.dest = ""
		case key == "dest":
			out.dest = value
		case key == "push" && value == "false":
		default:
			return out, false, wrongFlag("output", item, fmt.Sprintf("%s is not supported: there are type and dest", field))
		}
	}
	switch {
	case out.kind == "local" && out.dest == "":
		return out, false, wrongFlag("output", item, "dest is required for local output")
	case slices.Contains([]string{"local", "tar", "oci"}, out.kind), out.kind == "docker" && out.dest != "":
		return out, true, nil
	case out.kind == "docker", out.kind == "image":
		return out, false, nil
	}
	return out, false, wrongFlag("output", item, fmt.Sprintf("unknown type %q: one of local, tar, oci, docker and image", out.kind))
}

// toStdout reports whether the result itself goes to standard output.
func (opt *building) toStdout() bool {
	return slices.ContainsFunc(opt.outputs, func(o buildOutput) bool { return o.dest == "" })
}

// exportBuild writes the image that was built.
func (a *app) exportBuild(ctx context.Context, out buildOutput, img *image.Image, saved oci.Descriptor, names []reference.Reference) error {
	ctx = explain.Step(ctx, "write image %s as %s to %q", img.ID().Short(), out.kind, out.dest)
	switch out.kind {
	case "local", "tar":
		files, err := source.NewReader(a.images).Open(ctx, img.Layers)
		if err != nil {
			return err
		}
		if out.kind == "local" {
			return exportDirectory(ctx, files, out.dest)
		}
		return a.writeOutput(out.dest, func(w io.Writer) error { return exportArchive(ctx, files, w) })
	}
	item := archive.Item{Image: &image.Found{Image: img, Descriptor: saved}, Names: familiar(names)}
	opt := archive.SaveOptions{Format: archive.DockerArchive}
	if out.kind == "oci" {
		opt.Format = archive.OCIArchive
	}
	return a.writeOutput(out.dest, func(w io.Writer) error { return archive.Save(ctx, a.images, w, []archive.Item{item}, opt) })
}

// A fileTree is the files of an image sorted by what has to be made first.
type fileTree struct {
	dirs, files, others []layer.Entry
	links               []hardLink
}

// A hardLink is one more name of a file.
type hardLink struct {
	layer.Entry
	first string
}

// sortFiles goes through the tree once. Names of one file in the archive of a layer are
// names of one file in the result.
func sortFiles(files *source.Image) (t fileTree, err error) {
	type place struct {
		layer int
		name  string
	}
	first := map[place]string{}
	view := files.View()
	err = view.Walk(func(e layer.Entry) error {
		switch e.Type {
		case layer.TypeDir:
			t.dirs = append(t.dirs, e)
		case layer.TypeReg:
			n, name := view.Source(e.Name)
			at := place{n, name}
			if e.LinkOf != "" {
				at.name = e.LinkOf
			}
			if known, ok := first[at]; ok {
				t.links = append(t.links, hardLink{e, known})
				return nil
			}
			first[at] = e.Name
			t.files = append(t.files, e)
		default:
			t.others = append(t.others, e)
		}
		return nil
	})
	return t, err
}

// exportArchive writes the tree as a tar archive: directories, then files in the order
// in which they are quickest to read, then the rest.
func exportArchive(ctx context.Context, files *source.Image, w io.Writer) error {
	t, err := sortFiles(files)
	if err != nil {
		return err
	}
	out := layer.NewWriter(w)
	for _, e := range slices.Concat(t.dirs, t.others) {
		e.LinkOf = ""
		err = errors.Join(err, out.WriteEntry(e, nil))
	}
	if err == nil {
		err = files.Read(ctx, slices.Values(t.files), func(e layer.Entry, content io.Reader) error {
			e.LinkOf = ""
			return errors.Join(ctx.Err(), out.WriteEntry(e, content))
		})
	}
	for _, l := range t.links {
		e := layer.Entry{Name: l.Name, Type: layer.TypeLink, Mode: l.Mode, UID: l.UID, GID: l.GID, ModTime: l.ModTime, Linkname: l.first}
		if err == nil {
			err = out.WriteEntry(e, nil)
		}
	}
	return errors.Join(err, out.Close())
}

// exportDirectory writes the tree into a directory, which may have files already: those
// that the tree does not have stay. Everything belongs to the caller, as with docker.
// Hence there are no setuid bits, which would lend the caller's rights to programs of
// the image, and no devices.
//
// Symbolic links that are there are replaced and never followed, and os.Root would not
// follow one out of the directory.
func exportDirectory(ctx context.Context, files *source.Image, dest string) error {
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close()
	t, err := sortFiles(files)
	if err != nil {
		return err
	}
	for _, e := range t.dirs {
		if err := makeDirectory(root, e); err != nil {
			return err
		}
	}
	err = files.Read(ctx, slices.Values(t.files), func(e layer.Entry, content io.Reader) error {
		return errors.Join(ctx.Err(), writeFile(root, e, content))
	})
	if err != nil {
		return err
	}
	for _, l := range t.links {
		if err := errors.Join(clearName(root, l.Name), root.Link(l.first, l.Name)); err != nil {
			return err
		}
	}
	for _, e := range t.others {
		if e.Type != layer.TypeSymlink {
			explain.Step(ctx, "leave out %s: neither file, directory nor link", e.Name)
			continue
		}
		if err := errors.Join(clearName(root, e.Name), root.Symlink(e.Linkname, e.Name)); err != nil {
			return err
		}
	}
	slices.Reverse(t.dirs) // what is in a directory comes before it
	for _, e := range t.dirs {
		err := errors.Join(root.Chmod(e.Name, fs.FileMode(e.Mode&0o777)), root.Chtimes(e.Name, time.Time{}, e.ModTime))
		if err != nil {
			return err
		}
	}
	return nil
}

// makeDirectory makes a directory that can be written to for now.
func makeDirectory(root *os.Root, e layer.Entry) error {
	old, err := root.Lstat(e.Name)
	if err == nil && old.IsDir() {
		if old.Mode()&0o700 == 0o700 {
			return nil
		}
		return root.Chmod(e.Name, 0o700)
	}
	if err := clearName(root, e.Name); err != nil {
		return err
	}
	return root.Mkdir(e.Name, 0o700)
}

// clearName removes what has the name.
func clearName(root *os.Root, name string) error {
	if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return root.RemoveAll(path.Clean(name))
}

func writeFile(root *os.Root, e layer.Entry, content io.Reader) error {
	if err := clearName(root, e.Name); err != nil {
		return err
	}
	f, err := root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Chmod(fs.FileMode(e.Mode&0o777)), f.Close(), root.Chtimes(e.Name, time.Time{}, e.ModTime))
}
