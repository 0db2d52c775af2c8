//go:build linux

package toolbox

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/layout"
	"minidock.dev/minidock/oci"
)

// Image makes the image tiny:latest from the running executable, tags it and
// returns it. It is as old as the executable, whatever the clock says: one
// executable always makes one image ID.
func Image(ctx context.Context, l *layout.Layout) (*image.Found, error) {
	ctx = explain.Step(ctx, "make the image tiny from this executable")
	release, err := l.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	made, built, err := makeLayer(ctx, l)
	if err != nil {
		return nil, fmt.Errorf("make image tiny: %w", err)
	}
	img := image.Scratch(oci.Platform{OS: "linux", Architecture: runtime.GOARCH}).
		Append(made, oci.History{Created: &built, CreatedBy: "minidock toolbox"}).
		WithConfig(configure, &oci.History{Created: &built, CreatedBy: `CMD ["sh"]`, EmptyLayer: true})
	saved, err := img.Save(ctx, l, image.SaveOptions{})
	if err != nil {
		return nil, err
	}
	if err := l.Tag(ctx, "tiny:latest", "docker.io/library/tiny:latest", saved); err != nil {
		return nil, err
	}
	return image.Find(ctx, l, "tiny:latest")
}

func configure(c *oci.ImageConfig) {
	c.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	c.Config.Cmd = []string{"sh"}
	c.Config.WorkingDir = "/"
}

// makeLayer streams the layer's archive into the store: it is written once and
// hashed while it is written. built is when the executable was.
func makeLayer(ctx context.Context, l *layout.Layout) (made image.Layer, built time.Time, err error) {
	// The kernel's name of the running file, which is right even when the path
	// that it was started from holds a newer one by now.
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return made, built, err
	}
	defer self.Close()
	info, err := self.Stat()
	if err != nil {
		return made, built, err
	}
	made, err = image.WriteLayer(ctx, l, func(w *layer.Writer) error { return writeFiles(w, self, info.Size()) })
	return made, info.ModTime().UTC().Truncate(time.Second), err
}

// writeFiles writes the whole root file system, in the order of an archive:
// a directory before what is in it.
func writeFiles(w *layer.Writer, self io.Reader, size int64) error {
	for _, dir := range []layer.Entry{
		{Name: "bin", Mode: 0o755}, {Name: "etc", Mode: 0o755}, {Name: "home", Mode: 0o755},
		{Name: "root", Mode: 0o700}, {Name: "tmp", Mode: 0o1777}, {Name: "usr", Mode: 0o755},
		{Name: "usr/bin", Mode: 0o755}, {Name: "var", Mode: 0o755}, {Name: "var/tmp", Mode: 0o1777},
		{Name: "home/user", Mode: 0o755, UID: 1000, GID: 1000},
	} {
		dir.Type, dir.ModTime = layer.TypeDir, time.Unix(0, 0)
		if err := w.WriteEntry(dir, nil); err != nil {
			return err
		}
	}
	if err := writeFile(w, "bin/minidock", 0o755, size, self); err != nil {
		return err
	}
	for _, name := range names() {
		if err := writeLink(w, "bin/"+name, "minidock"); err != nil {
			return err
		}
	}
	// Scripts begin with #!/usr/bin/env wherever they come from.
	if err := writeLink(w, "usr/bin/env", "../../bin/minidock"); err != nil {
		return err
	}
	if err := writeFile(w, "etc/passwd", 0o644, int64(len(passwd)), strings.NewReader(passwd)); err != nil {
		return err
	}
	return writeFile(w, "etc/group", 0o644, int64(len(group)), strings.NewReader(group))
}

const passwd = `root:x:0:0:root:/root:/bin/sh
user:x:1000:1000:user:/home/user:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
`

const group = `root:x:0:
user:x:1000:
nogroup:x:65534:
`

func writeFile(w *layer.Writer, name string, mode, size int64, content io.Reader) error {
	return w.WriteEntry(layer.Entry{Name: name, Type: layer.TypeReg, Mode: mode, Size: size, ModTime: time.Unix(0, 0)}, content)
}

func writeLink(w *layer.Writer, name, target string) error {
	return w.WriteEntry(layer.Entry{Name: name, Type: layer.TypeSymlink, Mode: 0o777, Linkname: target, ModTime: time.Unix(0, 0)}, nil)
}
