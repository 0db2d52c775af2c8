package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// Change applies instructions to a configuration, as `import --change` takes them:
// those of a Dockerfile that change no file. There is no build, so WORKDIR
// makes no directory.
func Change(ctx context.Context, c oci.Config, changes []string) (oci.Config, error) {
	file, err := dockerfile.Parse(strings.NewReader("FROM scratch\n" + strings.Join(changes, "\n") + "\n"))
	if err != nil {
		return c, withoutLine(err)
	}
	base := image.Scratch(image.Host()).WithConfig(func(img *oci.ImageConfig) { img.Config = c }, nil)
	s := &stage{builder: &builder{Options: Options{File: file, Progress: silent{}}}, image: base}
	for _, in := range file.Stages[0].Instructions {
		if !slices.Contains(changeInstructions(), in.Name) {
			return c, fmt.Errorf("%s is not a valid change command", in.Name)
		}
		if err := s.change(ctx, in); err != nil {
			return c, err
		}
	}
	if len(file.Stages) > 1 {
		return c, errors.New("FROM is not a valid change command")
	}
	return s.image.Config.Config, nil
}

func changeInstructions() []string {
	return []string{"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
}

// change does one instruction, and stores nothing.
func (s *stage) change(ctx context.Context, in dockerfile.Instruction) error {
	if in.Name == "WORKDIR" {
		arg, err := s.expand(strings.Join(in.Args, " "))
		if err != nil {
			return err
		}
		if !path.IsAbs(arg) {
			arg = path.Join(s.workdir(), arg)
		}
		s.image = s.image.WithConfig(func(c *oci.ImageConfig) { c.Config.WorkingDir = path.Clean(arg) }, nil)
		return nil
	}
	w, err := s.prepareMetadata(in)
	if err != nil {
		return err
	}
	s.image, err = w.make(ctx, io.Discard)
	return err
}

// withoutLine drops the number of the line: the user has not written any file.
func withoutLine(err error) error {
	var mistake *dockerfile.Error
	if errors.As(err, &mistake) {
		return errors.New(mistake.Msg)
	}
	return err
}
