//go:build linux

package sandbox

import (
	"errors"
	"fmt"

	"minidock.dev/minidock/capability"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/rootfs"
)

// Spec is config.json, as far as minidock uses it. (runtime-spec config.md)
type Spec struct {
	OCIVersion string         `json:"ociVersion"`
	Process    *ProcessSpec   `json:"process,omitempty"`
	Root       Root           `json:"root"`
	Hostname   string         `json:"hostname,omitempty"`
	Mounts     []rootfs.Mount `json:"mounts,omitempty"`
	Linux      Linux          `json:"linux"`
}

// Root is the root file system.
type Root struct {
	Path     string `json:"path"` // absolute, or relative to the bundle
	Readonly bool   `json:"readonly,omitempty"`
}

// ProcessSpec is a program and the privileges it runs with.
type ProcessSpec struct {
	Terminal     bool          `json:"terminal,omitempty"`
	ConsoleSize  *ConsoleSize  `json:"consoleSize,omitempty"` // nil: 0 by 0, until somebody sets it
	User         User          `json:"user"`
	Args         []string      `json:"args"` // Args[0] is looked up in PATH, as sh does
	Env          []string      `json:"env,omitempty"`
	Cwd          string        `json:"cwd"`                    // absolute; "" is "/"
	Capabilities *Capabilities `json:"capabilities,omitempty"` // nil: none at all

	Rlimits []Rlimit `json:"rlimits,omitempty"`

	// NoNewPrivileges: set-user-ID programs such as su and ping are ordinary ones.
	NoNewPrivileges bool `json:"noNewPrivileges,omitempty"`
}

// Rlimit is one resource limit, getrlimit(2).
type Rlimit struct {
	Type string `json:"type"` // such as "RLIMIT_NOFILE"
	Soft uint64 `json:"soft"` // the kernel's largest number, 1<<64-1, is no limit
	Hard uint64 `json:"hard"`
}

// ConsoleSize is the size of the terminal in characters.
type ConsoleSize struct {
	Height uint16 `json:"height"`
	Width  uint16 `json:"width"`
}

// User is numbers; LookupUser finds those that belong to a name.
type User struct {
	UID            int   `json:"uid"`
	GID            int   `json:"gid"`
	AdditionalGids []int `json:"additionalGids,omitempty"`
}

// Capabilities are the five sets of package capability, by name.
type Capabilities struct {
	Bounding    []string `json:"bounding,omitempty"`
	Effective   []string `json:"effective,omitempty"`
	Permitted   []string `json:"permitted,omitempty"`
	Inheritable []string `json:"inheritable,omitempty"`
	Ambient     []string `json:"ambient,omitempty"`
}

// Linux is the part of config-linux.md. There are no uidMappings: a rootless
// container's user namespace exists already when it starts.
type Linux struct {
	Namespaces    []Namespace `json:"namespaces,omitempty"`
	MaskedPaths   []string    `json:"maskedPaths,omitempty"`
	ReadonlyPaths []string    `json:"readonlyPaths,omitempty"`
}

// Namespace is a kind of namespace that the container has of its own. The kinds
// that are not listed it shares with its maker.
type Namespace struct {
	Type string `json:"type"` // pid network mount ipc uts cgroup
	Path string `json:"path,omitempty"`
}

// namespaces turns the list into clone flags.
func (l Linux) namespaces() (namespace.Set, error) {
	var set namespace.Set
	for _, n := range l.Namespaces {
		kind := namespaceOf(n.Type)
		if kind == 0 {
			return 0, fmt.Errorf("namespace %q: not supported", n.Type)
		}
		if n.Path != "" {
			return 0, fmt.Errorf("namespace %q: joining %q is not supported", n.Type, n.Path)
		}
		set |= kind
	}
	if set&namespace.Mount == 0 {
		return 0, errors.New("namespace list without \"mount\": the host's own mounts would be changed")
	}
	return set, nil
}

func namespaceOf(name string) namespace.Set {
	switch name {
	case "pid":
		return namespace.PID
	case "network":
		return namespace.Net
	case "mount":
		return namespace.Mount
	case "ipc":
		return namespace.IPC
	case "uts":
		return namespace.UTS
	case "cgroup":
		return namespace.Cgroup
	}
	return 0
}

// sets turns the names into numbers.
func (c *Capabilities) sets() (s capability.Sets, err error) {
	if c == nil {
		return s, nil
	}
	for _, part := range []struct {
		set   *capability.Set
		names []string
	}{
		{&s.Bounding, c.Bounding}, {&s.Effective, c.Effective}, {&s.Permitted, c.Permitted},
		{&s.Inheritable, c.Inheritable}, {&s.Ambient, c.Ambient},
	} {
		if *part.set, err = capability.Parse(part.names); err != nil {
			return capability.Sets{}, err
		}
	}
	return s, nil
}

func (p ProcessSpec) validate() error {
	if len(p.Args) == 0 || p.Args[0] == "" {
		return errors.New("no command specified")
	}
	if p.Cwd != "" && p.Cwd[0] != '/' {
		return fmt.Errorf("working directory %q is not absolute", p.Cwd)
	}
	return nil
}
