package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/docker/go-units"

	"minidock.dev/minidock/build"
	"minidock.dev/minidock/ignore"
)

// classic prints a build as docker did for ten years:
//
//	Step 2/3 : RUN make
//	 ---> Running in 1a2b3c4d5e6f
//	cc -o app main.c
//	Removing intermediate container 1a2b3c4d5e6f
//	 ---> 05455a08881e
type classic struct {
	out    io.Writer
	step   int // the one that runs
	resume int // the step at which another process stopped printing
	paint  func(...any) string
}

// resumeVariable is the environment variable that holds resume.
const resumeVariable = "MINIDOCK_BUILD_RESUME"

func (a *app) progress(s *source, opt building) *classic {
	if opt.quiet || opt.progress == "quiet" {
		return &classic{out: io.Discard, paint: fmt.Sprint}
	}
	c := &classic{out: a.Out, paint: colorsFor(a.Out).step}
	c.resume, _ = strconv.Atoi(os.Getenv(resumeVariable))
	if c.resume == 0 {
		fmt.Fprintf(c.out, "Sending build context to Docker daemon  %s\n", contextSize(s))
	}
	return c
}

func (c *classic) Step(n, total int, text string) io.Writer {
	c.step = n
	if n > c.resume {
		fmt.Fprintln(c.out, c.paint(fmt.Sprintf("Step %d/%d : %s", n, total, text)))
	}
	return c.out
}

func (c *classic) Result(r build.Result) {
	if r.N < c.resume {
		return
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(c.out, "[Warning] %s\n", warning)
	}
	if r.Cached {
		fmt.Fprintln(c.out, " ---> Using cache")
	}
	short := ""
	if r.Image != "" {
		short = r.Image.Short()
	}
	fmt.Fprintf(c.out, " ---> %s\n", short)
}

// contextSize is how much the build may read: as a tar archive, in which docker
// sends it, a header of 512 bytes and the content in blocks of that size.
// Nothing is sent anywhere here.
func contextSize(s *source) string {
	total := int64(1024)
	if s.dir != "" {
		filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
			name, _ := filepath.Rel(s.dir, path)
			if err != nil || name == "." {
				return nil
			}
			if excluded, err := s.ignore.Excluded(filepath.ToSlash(name), entry.IsDir()); err != nil || excluded {
				return skip(s.ignore, name, entry)
			}
			total += 512
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
				total += (info.Size() + 511) / 512 * 512
			}
			return nil
		})
	}
	return units.HumanSize(float64(total))
}

// skip passes over a whole excluded directory if nothing in it can come back.
func skip(m *ignore.Matcher, name string, entry fs.DirEntry) error {
	if entry.IsDir() && m.CanSkip(filepath.ToSlash(name)) {
		return fs.SkipDir
	}
	return nil
}
