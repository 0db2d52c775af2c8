package cli

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/container"
)

// The types below are docker's JSON for `inspect` of a container, as far as
// minidock has something to say. Field names and order are docker's.

type containerJSON struct {
	ID             string `json:"Id"`
	Created        string
	Path           string
	Args           []string
	State          stateJSON
	Image          string
	ResolvConfPath string
	HostnamePath   string
	HostsPath      string
	LogPath        string
	Name           string
	RestartCount   int
	Driver         string
	Platform       string
	HostConfig     hostConfigJSON
	GraphDriver    graphDriverJSON
	Mounts         []mountJSON
	Config         containerConfigJSON
}

type stateJSON struct {
	Status                                       string
	Running, Paused, Restarting, OOMKilled, Dead bool
	Pid, ExitCode                                int
	Error, StartedAt, FinishedAt                 string
}

type hostConfigJSON struct {
	Binds       []string
	NetworkMode string
	AutoRemove  bool
}

type graphDriverJSON struct {
	Data struct{ LowerDir, MergedDir, UpperDir, WorkDir string }
	Name string
}

type mountJSON struct {
	Type, Source, Destination, Mode string
	RW                              bool
	Propagation                     string
}

type containerConfigJSON struct {
	Hostname, User    string
	Tty, OpenStdin    bool
	Env, Cmd          []string
	Image, WorkingDir string
	Entrypoint        []string
	Labels            map[string]string
	StopSignal        string `json:",omitempty"`
	StopTimeout       *int   `json:",omitempty"`
}

func (a *app) containerInspectCommand() *cobra.Command {
	return a.inspectKind("CONTAINER", "Display detailed information on one or more containers", lookup{"container", a.inspectContainer})
}

// inspectContainer is the JSON of one container.
func (a *app) inspectContainer(ctx context.Context, key string) (any, error) {
	_, c, err := a.container(ctx, key)
	if err != nil {
		return nil, err
	}
	snapshots, err := a.snapshots()
	if err != nil {
		return nil, err
	}
	file := func(name string) string { return filepath.Join(c.Dir, name) }
	out := containerJSON{
		ID: c.ID, Created: dockerTime(c.Created), Path: c.Args[0], Args: c.Args[1:], State: stateOf(c),
		Image: c.ImageID.String(), ResolvConfPath: file("resolv.conf"), HostnamePath: file("hostname"),
		HostsPath: file("hosts"), LogPath: c.LogPath(), Name: "/" + c.Name, Driver: "overlay2", Platform: "linux",
		HostConfig: hostConfigJSON{NetworkMode: c.Network, AutoRemove: c.AutoRemove}, Mounts: []mountJSON{},
		Config: containerConfigJSON{Hostname: c.Hostname, User: c.User, Tty: c.Tty, OpenStdin: c.OpenStdin, Env: c.Env,
			Cmd: c.Cmd, Image: c.Image, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint, Labels: c.Labels,
			StopSignal: c.StopSignal, StopTimeout: c.StopTimeout},
	}
	for _, b := range c.Binds {
		mode := "rw"
		if b.ReadOnly {
			mode = "ro"
		}
		out.HostConfig.Binds = append(out.HostConfig.Binds, b.Source+":"+b.Target+":"+mode)
		out.Mounts = append(out.Mounts, mountJSON{"bind", b.Source, b.Target, mode, !b.ReadOnly, "rprivate"})
	}
	out.GraphDriver.Name = "overlay2"
	lower, err := snapshots.Lower(c.Layers, true)
	if err != nil {
		return nil, err
	}
	out.GraphDriver.Data.LowerDir = strings.Join(lower, ":")
	out.GraphDriver.Data.UpperDir, out.GraphDriver.Data.WorkDir = file("upper"), file("work")
	out.GraphDriver.Data.MergedDir = file("merged")
	return out, nil
}

func stateOf(c *container.Container) stateJSON {
	return stateJSON{Status: c.Status, Running: c.Status == container.Running, Pid: c.Pid, ExitCode: c.ExitCode,
		Error: c.Error, StartedAt: dockerTime(c.StartedAt), FinishedAt: dockerTime(c.FinishedAt)}
}

// dockerTime is a time as docker's JSON has it; what has not happened yet is
// the year one.
func dockerTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
