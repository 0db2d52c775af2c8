package cli

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/oci"
)

// createOptions are the flags that run has and that decide what a container
// will be. They are merged with the image's settings by config.
type createOptions struct {
	name, hostname, user, workdir, network string
	entrypoint                             entrypointFlag
	env, volumes, labels                   []string
	interactive, tty, autoRemove           bool
	stopSignal                             string
	stopTimeout                            int
}

// entrypointFlag remembers that it was given: `--entrypoint ""` clears the
// image's entrypoint, which is not the same as leaving it alone.
type entrypointFlag struct {
	value string
	given bool
}

func (e *entrypointFlag) String() string     { return e.value }
func (e *entrypointFlag) Type() string       { return "string" }
func (e *entrypointFlag) Set(v string) error { e.value, e.given = v, true; return nil }

func (o *createOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "name", "", "Assign a name to the container")
	flags.StringVarP(&o.hostname, "hostname", "h", "", "Container host name")
	flags.StringVarP(&o.user, "user", "u", "", "Username or UID (format: <name|uid>[:<group|gid>])")
	flags.StringVarP(&o.workdir, "workdir", "w", "", "Working directory inside the container")
	flags.StringVar(&o.network, "network", "host", `Connect a container to a network: "host" or "none"`)
	flags.StringVar(&o.network, "net", "host", "")
	flags.Lookup("net").Hidden = true
	flags.Var(&o.entrypoint, "entrypoint", "Overwrite the default ENTRYPOINT of the image")
	flags.StringArrayVarP(&o.env, "env", "e", nil, "Set environment variables")
	flags.StringArrayVarP(&o.volumes, "volume", "v", nil, "Bind mount a directory or file of this machine")
	flags.StringArrayVarP(&o.labels, "label", "l", nil, "Set meta data on a container")
	flags.BoolVarP(&o.interactive, "interactive", "i", false, "Keep STDIN open even if not attached")
	flags.BoolVarP(&o.tty, "tty", "t", false, "Allocate a pseudo-TTY")
	flags.BoolVar(&o.autoRemove, "rm", false, "Automatically remove the container when it exits")
	flags.StringVar(&o.stopSignal, "stop-signal", "", "Signal to stop the container")
	flags.IntVar(&o.stopTimeout, "stop-timeout", 10, "Timeout (in seconds) to stop a container")
}

// config merges what the user gives with what the image says.
func (o *createOptions) config(typed string, img *image.Found, args []string) (container.Config, error) {
	settings := img.Config.Config
	entrypoint, command := o.command(settings, args)
	if len(entrypoint)+len(command) == 0 {
		return container.Config{}, fmt.Errorf("no command specified")
	}
	if err := checkNetwork(o.network); err != nil {
		return container.Config{}, err
	}
	workdir, err := o.workingDir(settings)
	if err != nil {
		return container.Config{}, err
	}
	env, err := mergeEnv(settings.Env, o.env)
	if err != nil {
		return container.Config{}, err
	}
	binds, err := parseBinds(o.volumes)
	if err != nil {
		return container.Config{}, err
	}
	timeout := o.stopTimeout
	return container.Config{
		Name: strings.TrimPrefix(o.name, "/"), Hostname: o.hostname,
		Image: typed, ImageID: img.ID(), Layers: diffIDs(img),
		Entrypoint: entrypoint, Cmd: command, Args: slices.Concat(entrypoint, command),
		Env: env, WorkingDir: workdir, User: either(o.user, settings.User),
		Tty: o.tty, OpenStdin: o.interactive, AutoRemove: o.autoRemove,
		Network: o.network, Binds: binds, Labels: mergeLabels(settings.Labels, o.labels),
		StopSignal: either(o.stopSignal, settings.StopSignal), StopTimeout: &timeout,
	}, nil
}

// command decides what is executed. An entrypoint given by the user takes the
// image's CMD with it; arguments replace the image's CMD only.
func (o *createOptions) command(settings oci.Config, args []string) (entrypoint, command []string) {
	if o.entrypoint.given {
		if o.entrypoint.value != "" {
			entrypoint = []string{o.entrypoint.value}
		}
		return entrypoint, args
	}
	if len(args) > 0 {
		return settings.Entrypoint, args
	}
	return settings.Entrypoint, settings.Cmd
}

func (o *createOptions) workingDir(settings oci.Config) (string, error) {
	if o.workdir != "" && !path.IsAbs(o.workdir) {
		return "", fmt.Errorf("the working directory '%s' is invalid, it needs to be an absolute path", o.workdir)
	}
	return either(o.workdir, settings.WorkingDir), nil
}

// checkNetwork refuses networks that do not exist yet, instead of running the
// container somewhere else than its user thinks.
func checkNetwork(name string) error {
	if name == "host" || name == "none" {
		return nil
	}
	return fmt.Errorf("network %s not found: minidock has no bridges yet, only --network host and --network none", name)
}

// mergeEnv lets the user's variables win key by key. A bare KEY takes its
// value from this process, or takes the image's value away when there is none.
func mergeEnv(base, given []string) ([]string, error) {
	env := slices.Clone(base)
	for _, entry := range given {
		key, _, assigned := strings.Cut(entry, "=")
		if key == "" {
			return nil, fmt.Errorf("invalid environment variable: %s", entry)
		}
		env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, key+"=") || e == key })
		if !assigned {
			value, ok := os.LookupEnv(key)
			if !ok {
				env = append(env, key) // takes a default away as well
				continue
			}
			entry = key + "=" + value
		}
		env = append(env, entry)
	}
	return env, nil
}

func mergeLabels(base map[string]string, given []string) map[string]string {
	labels := map[string]string{}
	for key, value := range base {
		labels[key] = value
	}
	for _, label := range given {
		key, value, _ := strings.Cut(label, "=")
		labels[key] = value
	}
	return labels
}

// parseBinds reads -v source:target[:options]. A source that is no path names
// a volume; there are none yet, so it is refused.
func parseBinds(specs []string) ([]container.Bind, error) {
	var binds []container.Bind
	for _, spec := range specs {
		bind, err := parseBind(spec)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(binds, func(b container.Bind) bool { return b.Target == bind.Target }) {
			//lint:ignore ST1005 docker's text
			return nil, fmt.Errorf("Duplicate mount point: %s", bind.Target)
		}
		binds = append(binds, bind)
	}
	return binds, nil
}

func parseBind(spec string) (container.Bind, error) {
	parts := strings.Split(spec, ":")
	if slices.Contains(parts, "") {
		return container.Bind{}, fmt.Errorf("invalid spec: %s: empty section between colons", spec)
	}
	if len(parts) > 3 {
		return container.Bind{}, fmt.Errorf("invalid spec: %s: too many colons", spec)
	}
	if len(parts) == 1 || !strings.ContainsAny(parts[0][:1], "/.~") {
		return container.Bind{}, fmt.Errorf("volume %q: named and anonymous volumes are not supported yet; "+
			"to pass a directory of this machine, use its absolute path", parts[0])
	}
	source, err := filepath.Abs(parts[0])
	if err != nil {
		return container.Bind{}, err
	}
	if !path.IsAbs(parts[1]) {
		return container.Bind{}, fmt.Errorf("invalid mount path: '%s' mount path must be absolute", parts[1])
	}
	bind := container.Bind{Source: source, Target: path.Clean(parts[1])}
	if len(parts) == 3 {
		bind.ReadOnly, err = bindMode(spec, parts[2])
	}
	return bind, err
}

// bindMode reads the third field of -v. Only what is honoured is accepted.
func bindMode(spec, options string) (readOnly bool, err error) {
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "ro":
			readOnly = true
		case "rw", "rprivate":
		default:
			return false, fmt.Errorf("invalid volume specification: '%s': option %q is not supported", spec, option)
		}
	}
	return readOnly, nil
}

func diffIDs(img *image.Found) []oci.DiffID {
	ids := make([]oci.DiffID, len(img.Layers))
	for i, la := range img.Layers {
		ids[i] = la.DiffID
	}
	return ids
}

func either(first, second string) string {
	if first != "" {
		return first
	}
	return second
}
