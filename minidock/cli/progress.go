package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/docker/go-units"

	"minidock.dev/minidock/build"
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

func (a *app) progress(opt building) *classic {
	if opt.quiet || opt.progress == "quiet" {
		return &classic{out: io.Discard, paint: fmt.Sprint}
	}
	c := &classic{out: a.Out, paint: colorsFor(a.Out).step}
	c.resume, _ = strconv.Atoi(os.Getenv(resumeVariable))
	return c
}

// sending says how much the build may read. Nothing is sent anywhere here.
func (c *classic) sending(bytes int64) {
	if c.resume == 0 {
		fmt.Fprintf(c.out, "Sending build context to Docker daemon  %s\n", units.HumanSize(float64(max(bytes, 1024))))
	}
}

func (c *classic) Step(s build.Step) io.Writer {
	c.step = s.N
	if s.N > c.resume {
		fmt.Fprintln(c.out, c.paint(fmt.Sprintf("Step %d/%d : %s", s.N, s.Total, s.Text)))
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
