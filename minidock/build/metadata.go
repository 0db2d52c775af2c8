package build

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// The instructions of this file change the configuration and no file. Each
// becomes a row of the history without a layer.

// metadata is the work of such an instruction: what it reads as once variables
// are replaced, and the change that it makes. What comes of the change is an input,
// too: of ENV A="1 B=2" and of ENV A=1 B=2 the text is the same.
func (s *stage) metadata(text string, change func(*oci.ImageConfig)) work {
	after := s.image.Config
	after.History = nil // may be long, and is not asked for
	after = after.Clone()
	change(&after)
	return work{
		text: text, inputs: []Input{{resultInput, settings(after).String()}}, change: change,
		make: func(context.Context, io.Writer) (*image.Image, error) {
			return s.changeConfig(change, s.nop(" "+text)), nil
		},
	}
}

// prepareMetadata makes an instruction without files ready.
func (s *stage) prepareMetadata(in dockerfile.Instruction) (work, error) {
	switch in.Name {
	case "CMD":
		return s.prepareCmd(in), nil
	case "ENTRYPOINT":
		return s.prepareEntrypoint(in), nil
	case "ENV":
		return s.prepareEnv(in)
	case "LABEL":
		return s.prepareLabel(in)
	case "EXPOSE":
		return s.prepareExpose(in)
	case "VOLUME":
		return s.prepareVolume(in)
	case "USER":
		return s.prepareUser(in)
	case "STOPSIGNAL":
		return s.prepareStopSignal(in)
	case "SHELL":
		shell := in.Args
		return s.metadata(fmt.Sprintf("SHELL %v", shell), func(c *oci.ImageConfig) { c.Config.Shell = shell }), nil
	case "HEALTHCHECK":
		return s.prepareHealthcheck(in)
	case "ONBUILD":
		return s.prepareOnbuild(in)
	case "MAINTAINER":
		return s.prepareMaintainer(in)
	}
	return work{}, unsupported(in.Name)
}

func (s *stage) prepareCmd(in dockerfile.Instruction) work {
	args := s.command(in)
	s.ownCmd = true
	return s.metadata(fmt.Sprintf("CMD %q", args), func(c *oci.ImageConfig) { c.Config.Cmd = args })
}

// prepareEntrypoint also takes away the base image's CMD: it was meant as
// arguments for another program.
func (s *stage) prepareEntrypoint(in dockerfile.Instruction) work {
	args := s.command(in)
	keep := s.ownCmd
	return s.metadata(fmt.Sprintf("ENTRYPOINT %q", args), func(c *oci.ImageConfig) {
		c.Config.Entrypoint = args
		if !keep {
			c.Config.Cmd = nil
		}
	})
}

func (s *stage) prepareEnv(in dockerfile.Instruction) (work, error) {
	pairs, err := s.expandPairs(in.Pairs)
	if err != nil {
		return work{}, err
	}
	for _, p := range pairs {
		if p.Key == "" {
			return work{}, errors.New("ENV names can not be blank")
		}
	}
	return s.metadata("ENV "+pairsText(pairs), func(c *oci.ImageConfig) {
		for _, p := range pairs {
			c.Config.Env = setEnv(c.Config.Env, p.Key, p.Value)
		}
	}), nil
}

func (s *stage) prepareLabel(in dockerfile.Instruction) (work, error) {
	pairs := in.Pairs
	if in.Line > 0 { // --label is taken as it is
		var err error
		if pairs, err = s.expandPairs(pairs); err != nil {
			return work{}, err
		}
	}
	return s.metadata("LABEL "+pairsText(pairs), func(c *oci.ImageConfig) {
		if c.Config.Labels == nil {
			c.Config.Labels = map[string]string{}
		}
		for _, p := range pairs {
			c.Config.Labels[p.Key] = p.Value
		}
	}), nil
}

// labelInstruction is the LABEL that --label stands for. It has no line.
func labelInstruction(labels map[string]string) dockerfile.Instruction {
	in := dockerfile.Instruction{Name: "LABEL"}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		in.Pairs = append(in.Pairs, dockerfile.Pair{Key: k, Value: labels[k], HasValue: true})
	}
	in.Text = pairsText(in.Pairs)
	return in
}

// pairsText writes pairs as the history shows them.
func pairsText(pairs []dockerfile.Pair) string {
	var words []string
	for _, p := range pairs {
		words = append(words, p.Key+"="+p.Value)
	}
	return strings.Join(words, " ")
}

// prepareArg declares arguments. The key holds the default and not the value of
// --build-arg: what matters is which later step uses the value, and there it is
// an input.
func (s *stage) prepareArg(in dockerfile.Instruction) (work, error) {
	var words []string
	for _, p := range in.Pairs {
		word, err := s.expand(p.Key)
		if err == nil && p.HasValue {
			var v string
			v, err = s.expand(p.Value)
			word += "=" + v
		}
		if err != nil {
			return work{}, err
		}
		words = append(words, word)
		a, err := s.argument(p, s.env)
		if err != nil {
			return work{}, err
		}
		if v, ok := s.globals.lookup(a.name); ok && !a.set {
			a.value, a.set = v, true
		}
		s.scope.declare(a)
	}
	return s.metadata("ARG "+strings.Join(words, " "), func(*oci.ImageConfig) {}), nil
}

func (s *stage) prepareExpose(in dockerfile.Instruction) (work, error) {
	var words, ports []string
	for _, arg := range in.Args {
		expanded, err := dockerfile.ExpandWords(arg, s.env, s.File.Escape)
		if err != nil {
			return work{}, err
		}
		words = append(words, expanded...)
	}
	for _, w := range words {
		p, err := parsePorts(w)
		if err != nil {
			return work{}, err
		}
		ports = append(ports, p...)
	}
	return s.metadata("EXPOSE "+strings.Join(words, " "), func(c *oci.ImageConfig) {
		if c.Config.ExposedPorts == nil {
			c.Config.ExposedPorts = map[string]struct{}{}
		}
		for _, p := range ports {
			c.Config.ExposedPorts[p] = struct{}{}
		}
	}), nil
}

// parsePorts reads "80", "53/udp", "8000-8010/tcp". A part for the host, as
// docker run -p has it, is allowed and of no meaning.
func parsePorts(word string) ([]string, error) {
	ports, proto, _ := strings.Cut(word, "/")
	proto = cmp.Or(strings.ToLower(proto), "tcp")
	if proto != "tcp" && proto != "udp" && proto != "sctp" {
		return nil, fmt.Errorf("invalid proto: %s", proto)
	}
	ports = ports[strings.LastIndex(ports, ":")+1:]
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || last < first {
		return nil, fmt.Errorf("invalid containerPort: %s", ports)
	}
	var out []string
	for p := first; p <= last; p++ {
		out = append(out, fmt.Sprintf("%d/%s", p, proto))
	}
	return out, nil
}

func (s *stage) prepareVolume(in dockerfile.Instruction) (work, error) {
	paths, err := s.expandAll(in.Args)
	if err != nil {
		return work{}, err
	}
	for i, p := range paths {
		if paths[i] = strings.TrimSpace(p); paths[i] == "" {
			return work{}, errors.New("VOLUME specified can not be an empty string")
		}
	}
	return recordedOnly(in, s.metadata(fmt.Sprintf("VOLUME %v", paths), func(c *oci.ImageConfig) {
		if c.Config.Volumes == nil {
			c.Config.Volumes = map[string]struct{}{}
		}
		for _, p := range paths {
			c.Config.Volumes[p] = struct{}{}
		}
	})), nil
}

// recordedOnly marks an instruction that other engines act upon when the image
// runs, and this one does not yet: people are told instead of surprised.
func recordedOnly(in dockerfile.Instruction, w work) work {
	w.warnings = []string{in.Name + " is recorded in the image, and minidock run does not act upon it yet"}
	return w
}

func (s *stage) prepareUser(in dockerfile.Instruction) (work, error) {
	user, err := s.expand(strings.Join(in.Args, " "))
	return s.metadata("USER "+user, func(c *oci.ImageConfig) { c.Config.User = user }), err
}

func (s *stage) prepareStopSignal(in dockerfile.Instruction) (work, error) {
	signal, err := s.expand(strings.Join(in.Args, " "))
	if err == nil && !isSignal(signal) {
		err = fmt.Errorf("invalid signal: %s", signal)
	}
	return s.metadata("STOPSIGNAL "+signal, func(c *oci.ImageConfig) { c.Config.StopSignal = signal }), err
}

// linuxSignals are the names of signal(7). The image's system counts, not the
// one that builds it, so this cannot come from package syscall.
const linuxSignals = ` ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT
 STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX `

func isSignal(s string) bool {
	if n, err := strconv.Atoi(s); err == nil {
		return n > 0 && n <= 64
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	for _, base := range []string{"RTMIN+", "RTMAX-"} {
		if offset, ok := strings.CutPrefix(name, base); ok {
			n, err := strconv.Atoi(offset)
			return err == nil && n > 0 && n <= 30
		}
	}
	return slices.Contains(strings.Fields(linuxSignals), name)
}

func (s *stage) prepareOnbuild(in dockerfile.Instruction) (work, error) {
	trigger := in.Args[0]
	return s.metadata("ONBUILD "+trigger, func(c *oci.ImageConfig) {
		c.Config.OnBuild = append(c.Config.OnBuild, trigger)
	}), nil
}

func (s *stage) prepareMaintainer(in dockerfile.Instruction) (work, error) {
	name := strings.Join(in.Args, " ")
	return s.metadata("MAINTAINER "+name, func(c *oci.ImageConfig) { c.Author = name }), nil
}

func (s *stage) prepareHealthcheck(in dockerfile.Instruction) (work, error) {
	h, err := parseHealthcheck(in)
	if err != nil {
		return work{}, err
	}
	text := fmt.Sprintf("HEALTHCHECK {Test:%v Interval:%v Timeout:%v StartPeriod:%v StartInterval:%v Retries:%d}",
		h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries)
	return recordedOnly(in, s.metadata(text, func(c *oci.ImageConfig) { c.Config.Healthcheck = &h })), nil
}

// parseHealthcheck trusts the parser in what is written; it turns it into the
// form of the image's configuration.
func parseHealthcheck(in dockerfile.Instruction) (oci.Healthcheck, error) {
	var h oci.Healthcheck
	switch {
	case in.Args[0] == "NONE":
		h.Test = []string{"NONE"}
		return h, nil // what is never done has no interval
	case in.JSON:
		h.Test = slices.Concat([]string{"CMD"}, in.Args[1:])
	default:
		h.Test = []string{"CMD-SHELL", strings.Join(in.Args[1:], " ")}
	}
	for _, f := range in.Flags {
		if f.Value == "" {
			continue
		}
		if err := setHealthFlag(&h, f); err != nil {
			return h, err
		}
	}
	return h, nil
}

func setHealthFlag(h *oci.Healthcheck, f dockerfile.Flag) (err error) {
	switch f.Name {
	case "interval":
		h.Interval, err = time.ParseDuration(f.Value)
	case "timeout":
		h.Timeout, err = time.ParseDuration(f.Value)
	case "start-period":
		h.StartPeriod, err = time.ParseDuration(f.Value)
	case "start-interval":
		h.StartInterval, err = time.ParseDuration(f.Value)
	case "retries":
		h.Retries, err = strconv.Atoi(f.Value)
	}
	return err
}

// workdir is where relative paths start.
func (s *stage) workdir() string {
	return path.Join("/", s.image.Config.Config.WorkingDir)
}
