//go:build linux

package container

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"minidock.dev/minidock/capability"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/rootfs"
	"minidock.dev/minidock/sandbox"
)

// SpecOptions are what a runtime configuration depends on beside the
// container's own.
type SpecOptions struct {
	// Self is the user namespace that the container is started from.
	Self namespace.Self
	// Files is the directory with resolv.conf, hosts and hostname as
	// WriteHostFiles makes them; "" leaves the image's own.
	Files string
	// Mounts are further ones. Like Binds they take the place of a default mount
	// with the same destination.
	Mounts []rootfs.Mount
	// Rlimits are the limits of the process; those not named are the caller's.
	Rlimits []sandbox.Rlimit
}

// Spec turns a configuration into what an OCI runtime is given. The root is
// merged/ beside config.json. A user that is not a number is left as root:
// to find a name, sandbox.LookupUser has to look into the mounted root.
//
// A RUN step of a build is a container with no Config of its own; the builder
// fills in what it has and gets the same surroundings.
func Spec(c Config, opt SpecOptions) sandbox.Spec {
	defaults := capability.Default().Names()
	return sandbox.Spec{
		OCIVersion: "1.2.0",
		Process: &sandbox.ProcessSpec{
			Terminal: c.Tty,
			Args:     c.Args,
			Env:      environment(c),
			Cwd:      cmp.Or(c.WorkingDir, "/"),
			Rlimits:  opt.Rlimits,
			Capabilities: &sandbox.Capabilities{
				Bounding: defaults, Permitted: defaults, Effective: defaults,
			},
		},
		Root:     sandbox.Root{Path: "merged"},
		Hostname: c.Hostname,
		Mounts:   mounts(c, opt),
		Linux: sandbox.Linux{
			Namespaces:    namespaces(c),
			MaskedPaths:   rootfs.MaskedPaths(),
			ReadonlyPaths: rootfs.ReadonlyPaths(),
		},
	}
}

// namespaces leaves out "user": a rootless container is in the user namespace
// of the command that started it, in which that is root.
func namespaces(c Config) []sandbox.Namespace {
	list := []sandbox.Namespace{{Type: "mount"}, {Type: "pid"}, {Type: "uts"}, {Type: "ipc"}, {Type: "cgroup"}}
	if c.Network == "none" {
		list = append(list, sandbox.Namespace{Type: "network"})
	}
	return list
}

// environment begins with what docker gives every container, and lets the
// configuration override it by key. A key without a value removes it.
func environment(c Config) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME=" + c.Hostname,
	}
	if c.Tty {
		env = append(env, "TERM=xterm")
	}
	return mergeEnv(env, c.Env)
}

// mergeEnv returns base with the entries of over added, or in the place of those
// with the same key.
func mergeEnv(base, over []string) []string {
	env := slices.Clone(base)
	for _, entry := range over {
		key, _, value := strings.Cut(entry, "=")
		at := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, key+"=") })
		switch {
		case at >= 0 && value:
			env[at] = entry
		case at >= 0:
			env = slices.Delete(env, at, at+1)
		case value:
			env = append(env, entry)
		}
	}
	return env
}

// mounts lists the default mounts, the files of WriteHostFiles and the binds.
// Where two have the same destination the more personal one wins.
func mounts(c Config, opt SpecOptions) []rootfs.Mount {
	list := rootfs.Default(rootfs.Options{
		Rootless:    opt.Self.Rootless,
		Single:      opt.Self.Single,
		HostNetwork: c.Network != "none",
		CgroupV2:    rootfs.HostCgroupV2(),
	})
	if opt.Files != "" {
		for _, name := range []string{"resolv.conf", "hostname", "hosts"} {
			list = append(list, bindMount(Bind{Source: filepath.Join(opt.Files, name), Target: "/etc/" + name}))
		}
	}
	personal := slices.Clone(opt.Mounts)
	for _, b := range c.Binds {
		b.Target = filepath.Clean(b.Target)
		personal = append(personal, bindMount(b))
	}
	for _, p := range personal {
		list = append(slices.DeleteFunc(list, func(m rootfs.Mount) bool { return hides(p.Destination, m.Destination) }), p)
	}
	// A mount hides what was mounted below its place before it, so those with
	// short paths come first.
	slices.SortStableFunc(list, func(a, b rootfs.Mount) int {
		return strings.Count(a.Destination, "/") - strings.Count(b.Destination, "/")
	})
	return list
}

// hides reports whether a bind at target takes the place of a default mount.
// Whoever brings a /dev of his own gets nothing of ours in it.
func hides(target, destination string) bool {
	return target == destination || target == "/dev" && strings.HasPrefix(destination, "/dev/")
}

// bindMount binds with everything mounted below it, and lets no later mount
// through in either direction. nodev, because root in the container could make
// the host's disk there with mknod(2), and open it; docker has a device cgroup for
// that. The price: of a bound /dev no device can be opened.
func bindMount(b Bind) rootfs.Mount {
	options := []string{"rbind", "rprivate", "nodev"}
	if b.ReadOnly {
		options = append(options, "ro")
	}
	return rootfs.Mount{Destination: b.Target, Type: "bind", Source: b.Source, Options: options}
}
