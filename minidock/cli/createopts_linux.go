package cli

import (
	"cmp"
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
	flags.StringVar(&o.network, "network", "", `Connect a container to a network: "host" or "none" (default host)`)
	flags.StringVar(&o.network, "net", "", "")
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
	network := cmp.Or(o.network, "host")
	if err := checkNetwork(network); err != nil {
		return container.Config{}, err
	}
	hostname := o.hostname
	if hostname == "" && o.network == "host" {
		// Who asks for the host's network gets the host's name with it, as with
		// docker. Without it the name is the ID, as on the bridges to come.
		hostname, _ = os.Hostname()
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
		Name: strings.TrimPrefix(o.name, "/"), Hostname: hostname,
		Image: typed, ImageID: img.ID(), Layers: diffIDs(img),
		Entrypoint: entrypoint, Cmd: command, Args: slices.Concat(entrypoint, command),
		Env: env, WorkingDir: cmp.Or(o.workdir, settings.WorkingDir), User: cmp.Or(o.user, settings.User),
		Tty: o.tty, OpenStdin: o.interactive, AutoRemove: o.autoRemove,
		Network: network, Binds: binds, Labels: mergeLabels(settings.Labels, o.labels),
		StopSignal: cmp.Or(o.stopSignal, settings.StopSignal), StopTimeout: &timeout,
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

// checkNetwork refuses networks that do not exist yet, instead of running the
// container somewhere else than its user thinks.
func checkNetwork(name string) error {
	if name == "host" || name == "none" {
		return nil
	}
	return fmt.Errorf("network %s not found: minidock has no bridges yet, only --network host and --network none", name)
}

// mergeEnv lists the user's variables, then those of the image that have other
// keys. A bare KEY takes its value from this process; when there is none it stays
// bare, which takes the container's own away.
func mergeEnv(base, given []string) (env []string, err error) {
	keys := map[string]bool{}
	for _, entry := range given {
		key, _, assigned := strings.Cut(entry, "=")
		if key == "" {
			return nil, fmt.Errorf("invalid environment variable: %s", entry)
		}
		if value, ok := os.LookupEnv(key); ok && !assigned {
			entry = key + "=" + value
		}
		env = append(env, entry)
		keys[key] = true
	}
	for _, entry := range base {
		if key, _, _ := strings.Cut(entry, "="); !keys[key] {
			env = append(env, entry)
		}
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
