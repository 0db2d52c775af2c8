package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layout"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "verify",
		Short:                 "Check every blob, image, name and unpacked layer in the store",
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context()) },
	}
}

// verifying is one run of verify.
type verifying struct {
	*app
	images   *layout.Layout
	problems int
	damaged  map[string]bool // what of image.Problem; nothing can be compared with it
}

// verify checks the images and then, where there are any, the directories that
// containers are made of. It fails if anything is damaged.
func (a *app) verify(ctx context.Context) error {
	// Who may not look into the unpacked layers can still check the images.
	done, forbidden := a.tryBecomeRootFor(ctx, "layers")
	if done != nil {
		return done
	}
	l, err := a.layout(ctx)
	if err != nil {
		return err
	}
	release, err := l.Lock(ctx) // nothing is deleted that we are about to read
	if err != nil {
		return err
	}
	defer release()
	v := &verifying{app: a, images: l, damaged: map[string]bool{}}
	checked, err := v.verifyImages(ctx)
	if err != nil {
		return err
	}
	layers := 0
	if forbidden != nil {
		fmt.Fprintln(a.Out, "the unpacked layers were not checked:", forbidden)
	} else if layers, err = v.verifyUnpacked(ctx); err != nil {
		return err
	}
	verdict := "no damage"
	if v.problems > 0 {
		verdict = howMany(v.problems, "problem")
	}
	fmt.Fprintf(a.Out, "%s, %s, %s: %s\n", howMany(checked.Blobs, "blob"), howMany(checked.Images, "image"), howMany(layers, "unpacked layer"), verdict)
	if v.problems > 0 {
		return &statusError{1, ""}
	}
	return nil
}

// verifyImages checks the images, and the build cache, which leads to some.
func (v *verifying) verifyImages(ctx context.Context) (image.Checked, error) {
	checked, err := image.Verify(ctx, v.images, v.report)
	if err != nil {
		return checked, err
	}
	return checked, build.Verify(v.images, func(k build.Key, err error) {
		v.report(image.Problem{What: "cache entry " + string(k), Err: err})
	})
}

// report prints a problem, with what can be done about it, in one line.
func (v *verifying) report(p image.Problem) {
	v.problems++
	v.damaged[p.What] = true
	line := strings.ReplaceAll(p.What+": "+p.Err.Error(), "\n", "; ")
	if what := v.remedy(p); what != "" {
		line += " -- " + what
	}
	fmt.Fprintln(v.Out, line)
}

// remedy is what a person can try.
func (v *verifying) remedy(p image.Problem) string {
	kind, rest, _ := strings.Cut(p.What, " ")
	switch kind {
	case "blob":
		if strings.HasSuffix(p.Err.Error(), "(no image needs it)") {
			return "'" + v.name + " system prune' removes it, unless the build cache has a use for it"
		}
		return "remove the image with '" + v.name + " rmi', then build or load it again"
	case "image":
		return "remove it with '" + v.name + " rmi', then build or load it again"
	case "name":
		return "give the image another one with '" + v.name + " tag ID NAME'"
	case "cache":
		return "delete " + filepath.Join(v.root, layout.CacheDir, strings.TrimPrefix(rest, "entry ")) + ": it only costs the next build time"
	case "unpacked":
		return "remove its containers and images, or delete that directory while none runs: it will be made again"
	case "container":
		return "remove it with '" + v.name + " rm'"
	}
	return ""
}

// howMany is "1 blob", "2 blobs".
func howMany(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
