package build

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
)

// RunStep is a command to run in a container made from layers.
type RunStep struct {
	ID         string        // of the container, 64 hexadecimal digits
	Layers     []image.Layer // the base first
	Args       []string
	Env        []string   // NAME=value
	WorkingDir string     // absolute
	User       string     // as USER has it; "" is root
	Network    string     // "" is the default, else "none" or "host"
	Clamp      *time.Time // files may not be younger; nil: as they are
	Mounts     []Mount
	Ulimits    []string // NAME=SOFT[:HARD]
	ExtraHosts []string // NAME:ADDRESS, for /etc/hosts
	// Script is a here-document that begins with #!. It becomes a read-only
	// executable file in /dev/pipes, which Args runs.
	Script *string
}

// Mount is what RUN --mount puts into the container for one command.
type Mount struct {
	Type     string // "bind", "cache", "tmpfs" or "secret"
	Target   string // absolute
	ReadOnly bool

	// Of a bind: the files of an image, and which of them. What the command writes
	// there is thrown away. Of a cache: what it holds in the beginning; none is nothing.
	Layers []image.Layer
	Path   string // absolute

	// Of a cache: a directory that outlives the build.
	ID      string
	Sharing string // "shared", "private" or "locked"

	Mode     int64 // of a cache or a secret
	UID, GID int
	Size     int64  // of a tmpfs, in bytes; 0 is no limit
	Content  []byte // of a secret, which is never written to a disk
}

// RunFunc runs a command, sends what it prints to out, and returns the layer of
// the files that it changed, which must be in the store. A command that fails
// is an *ExitError. The function leaves no container behind.
type RunFunc func(ctx context.Context, s RunStep, out io.Writer) (image.Layer, error)

// ExitError says that the command of a RUN failed.
type ExitError struct {
	Code int // 128+n when signal n has killed it
	Args []string
	Tail []string // the last lines of its output, see [Tail]
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("The command '%s' returned a non-zero code: %d", strings.Join(e.Args, " "), e.Code)
}

// prepareRun makes RUN ready. Its files cannot be known before, so the key is
// all that the command gets to see: what it runs in, and with what.
func (s *stage) prepareRun(ctx context.Context, in dockerfile.Instruction) (work, error) {
	network, err := s.runNetwork(in)
	if err != nil {
		return work{}, err
	}
	mounts, err := s.parseMounts(ctx, in)
	if err != nil {
		return work{}, err
	}
	c := s.image.Config.Config
	exported := s.scope.export(c.Env)
	step := RunStep{
		Layers: s.image.Layers, WorkingDir: s.workdir(), User: c.User, Network: network, Clamp: s.Timestamp,
		Env:     slices.Concat(c.Env, exported, s.proxies(c.Env, exported), secretVariables(mounts)),
		Ulimits: s.Ulimits, ExtraHosts: s.ExtraHosts,
	}
	step.Args, step.Script = s.program(in)
	w := work{text: fmt.Sprintf("RUN %q", step.Args), inputs: runInputs(step, c.Env, exported, mounts)}
	if network != "" {
		w.text = fmt.Sprintf("RUN --network=%s %q", network, step.Args)
	}
	w.make = func(ctx context.Context, out io.Writer) (*image.Image, error) {
		var err error
		if step.Mounts, err = s.mountLayers(ctx, mounts); err != nil {
			return nil, err
		}
		return s.run(ctx, step, exported, out)
	}
	return w, nil
}

// runInputs are what the command gets to see. That is not all of the environment:
// proxies and secrets are left out, as they do not matter to the result.
func runInputs(step RunStep, env, exported []string, mounts []runMount) (inputs []Input) {
	add := func(kind string, list []string) {
		for _, item := range list {
			name, value, _ := strings.Cut(item, "=")
			inputs = append(inputs, Input{kind + " " + name, value})
		}
	}
	add("env", env)
	add("arg", exported)
	inputs = append(inputs, Input{"workdir", step.WorkingDir}, Input{"user", step.User})
	add("ulimit", step.Ulimits)
	for _, host := range step.ExtraHosts {
		inputs = append(inputs, Input{"host", host})
	}
	if step.Script != nil {
		inputs = append(inputs, Input{"script", *step.Script})
	}
	for _, m := range mounts {
		inputs = append(inputs, m.inputs...)
	}
	return inputs
}

// program is what a RUN executes: its command, or a here-document that begins with
// #!, which is to become a file.
func (s *stage) program(in dockerfile.Instruction) (args []string, script *string) {
	h, ok := in.Shebang()
	if !ok {
		return s.command(in), nil
	}
	body := h.Body()
	return []string{path.Join(scriptDir, path.Join("/", h.Name))}, &body
}

// scriptDir is where BuildKit has such files, too.
const scriptDir = "/dev/pipes"

func (s *stage) run(ctx context.Context, step RunStep, exported []string, out io.Writer) (*image.Image, error) {
	if s.Run == nil {
		return nil, errors.New("RUN needs Linux: this build cannot start containers")
	}
	var id [32]byte
	rand.Read(id[:]) // never fails
	step.ID = hex.EncodeToString(id[:])
	l, err := s.Run(explain.Step(ctx, "run %q", step.Args), step, out)
	if err != nil {
		return nil, err
	}
	createdBy := strings.Join(step.Args, " ")
	if len(exported) > 0 {
		createdBy = fmt.Sprintf("|%d %s %s", len(exported), strings.Join(exported, " "), createdBy)
	}
	return s.appendLayer(l, createdBy), nil
}

// runNetwork reads the flags of RUN but for the mounts: what remains is the network.
// A flag that is not understood is refused: a build without what it asked for would
// be another build.
func (s *stage) runNetwork(in dockerfile.Instruction) (network string, err error) {
	network = s.Network
	for _, f := range in.Flags {
		switch f.Name {
		case "mount":
		case "network":
			network, err = checkNetwork(f.Value)
		case "security":
			err = checkSecurity(f.Value)
		case "device":
			err = errors.New("RUN --device is not supported: a build gets no devices of the host, or it would give another result elsewhere")
		default:
			err = unsupported(fmt.Sprintf("RUN --%s=%s", f.Name, f.Value))
		}
		if err != nil {
			return "", err
		}
	}
	if network == "default" {
		network = ""
	}
	return network, nil
}

func checkNetwork(value string) (string, error) {
	if !slices.Contains([]string{"default", "none", "host"}, value) {
		return "", fmt.Errorf("unsupported network mode %q: want default, none or host", value)
	}
	return value, nil
}

func checkSecurity(value string) error {
	switch value {
	case "sandbox":
		return nil
	case "insecure":
		return errors.New("RUN --security=insecure is not supported: a command in a build never gets the privileges of the host")
	}
	return fmt.Errorf("unsupported security mode %q: want sandbox", value)
}

// command is the argument list of RUN, CMD and ENTRYPOINT: in JSON form as it
// stands, in shell form one string for the shell.
func (s *stage) command(in dockerfile.Instruction) []string {
	if in.JSON {
		return in.Args
	}
	return slices.Concat(s.shell(), []string{in.Script()})
}

// proxies are the --build-arg values that RUN gets without any ARG.
func (s *stage) proxies(env, exported []string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Args)) {
		_, inEnv := lookupEnv(env, name)
		_, declared := lookupEnv(exported, name)
		if isProxy(name) && !inEnv && !declared {
			out = append(out, name+"="+s.Args[name])
		}
	}
	return out
}
