package build

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
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
}

// RunFunc runs a command, sends what it prints to out, and returns the layer of
// the files that it changed, which must be in the store. A command that fails
// is an *ExitError. The function leaves no container behind.
type RunFunc func(ctx context.Context, s RunStep, out io.Writer) (image.Layer, error)

// ExitError says that the command of a RUN failed.
type ExitError struct {
	Code int
	Args []string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("The command '%s' returned a non-zero code: %d", strings.Join(e.Args, " "), e.Code)
}

// prepareRun makes RUN ready. Its files cannot be known before, so the key is
// all that the command gets to see: what it runs in, and with what.
func (s *stage) prepareRun(in dockerfile.Instruction) (work, error) {
	network, err := runFlags(in)
	if err != nil {
		return work{}, err
	}
	if _, ok := in.Shebang(); ok {
		return work{}, unsupported("RUN of a here-document that begins with #!")
	}
	args := s.command(in)
	c := s.image.Config.Config
	exported := s.scope.export(c.Env)
	w := work{text: fmt.Sprintf("RUN %q", args)}
	if network != "" {
		w.text = fmt.Sprintf("RUN --network=%s %q", network, args)
	}
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		w.inputs = append(w.inputs, Input{"env " + name, value})
	}
	for _, e := range exported {
		name, value, _ := strings.Cut(e, "=")
		w.inputs = append(w.inputs, Input{"arg " + name, value})
	}
	w.inputs = append(w.inputs, Input{"workdir", s.workdir()}, Input{"user", c.User})
	step := RunStep{
		Layers: s.image.Layers, Args: args, Env: slices.Concat(c.Env, exported, s.proxies(c.Env, exported)),
		WorkingDir: s.workdir(), User: c.User, Network: network, Clamp: s.Timestamp,
	}
	w.make = func(ctx context.Context, out io.Writer) (*image.Image, error) {
		return s.run(ctx, step, exported, out)
	}
	return w, nil
}

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

// runFlags returns --network. A flag that is not understood is refused: a build
// without the mount that it asked for would be another build.
func runFlags(in dockerfile.Instruction) (network string, err error) {
	for _, f := range in.Flags {
		switch {
		case f.Name == "network" && f.Value == "default":
		case f.Name == "network" && (f.Value == "none" || f.Value == "host"):
			network = f.Value
		case f.Name == "security" && f.Value == "sandbox":
		default:
			return "", unsupported(fmt.Sprintf("RUN --%s=%s", f.Name, f.Value))
		}
	}
	return network, nil
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
