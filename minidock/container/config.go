//go:build linux

package container

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/oci"
)

// Config is what a container was made with. Image defaults and the command
// line are merged already; Create fills in ID, Created, and Name and Hostname
// when they are empty, and then nothing in it changes.
type Config struct {
	ID      string        `json:"id"` // 64 hexadecimal digits
	Name    string        `json:"name"`
	Created time.Time     `json:"created"`
	Image   string        `json:"image"` // as the user typed it
	ImageID digest.Digest `json:"imageID,omitempty"`
	Layers  []oci.DiffID  `json:"layers,omitempty"` // bottom first

	Args       []string `json:"args"`                 // what is executed: Entrypoint, then Cmd
	Entrypoint []string `json:"entrypoint,omitempty"` // kept apart for inspect and commit
	Cmd        []string `json:"cmd,omitempty"`
	Env        []string `json:"env,omitempty"`        // K=V; a K alone takes a default away
	WorkingDir string   `json:"workingDir,omitempty"` // "" is /
	User       string   `json:"user,omitempty"`       // name|uid[:group|gid]; "" is root
	Hostname   string   `json:"hostname"`             // "" becomes the short ID

	Tty        bool   `json:"tty,omitempty"`
	OpenStdin  bool   `json:"openStdin,omitempty"`  // else it is /dev/null
	AutoRemove bool   `json:"autoRemove,omitempty"` // run --rm
	Network    string `json:"network,omitempty"`    // "host" (also "") or "none"
	Binds      []Bind `json:"binds,omitempty"`

	// ExtraHosts are lines of /etc/hosts, NAME:ADDRESS. The address "host-gateway" is
	// the host's.
	ExtraHosts []string `json:"extraHosts,omitempty"`

	Labels      map[string]string `json:"labels,omitempty"`
	StopSignal  string            `json:"stopSignal,omitempty"`  // "" is SIGTERM
	StopTimeout *int              `json:"stopTimeout,omitempty"` // seconds, -1 for ever; nil is 10
}

// Bind makes a file or directory of the host visible in the container.
type Bind struct {
	Source   string `json:"source"` // absolute; made as a directory at start when it is missing
	Target   string `json:"target"` // absolute, inside
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// The values of State.Status.
const (
	Created = "created" // never started, or the start did not get as far as execve
	Running = "running"
	Exited  = "exited"
	Dead    = "dead" // state.json is damaged, as a loss of power can leave it: it can only be removed
)

// State is what has become of a container.
type State struct {
	Status     string    `json:"status"`
	Pid        int       `json:"pid,omitempty"` // of the container's first process, as the monitor sees it; 0 when it does not run
	ExitCode   int       `json:"exitCode"`      // 128+n after a death by signal n
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	Error      string    `json:"error,omitempty"` // why the last start did not work
}

// Container is a container as it was when it was looked up.
type Container struct {
	Config
	State
	Dir string // its directory, an OCI bundle
}

// LogPath is the file that package logs reads.
func (c *Container) LogPath() string { return filepath.Join(c.Dir, "log.jsonl") }

// Upper is the directory with everything the container has changed.
func (c *Container) Upper() string { return filepath.Join(c.Dir, "upper") }

// Short returns the first twelve digits of the ID, which people use.
func (c *Container) Short() string { return c.ID[:12] }

func (c *Container) path(name string) string { return filepath.Join(c.Dir, name) }

// document is the content of state.json.
type document struct {
	Config Config `json:"config"`
	State  State  `json:"state"`
}

// load reads the container in dir. The file says what the monitor wrote last;
// inspect turns it into the truth. One whose file cannot be understood is Dead, and
// not an error: it must not keep ps from showing the others, nor rm from taking it away.
func load(dir string) (*Container, error) {
	b, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return nil, err
	}
	var d document
	err = json.Unmarshal(b, &d)
	if id := filepath.Base(dir); err != nil || d.Config.ID != id || len(d.Config.Args) == 0 {
		d = document{Config{ID: id, Args: []string{""}}, State{Status: Dead, Error: "its state.json is damaged"}}
	}
	return &Container{Config: d.Config, State: d.State, Dir: dir}, nil
}

// save replaces state.json. There is no fsync: after a loss of power an older
// state is as true as the newest, since nothing runs any more.
func (c *Container) save() error {
	b, err := json.Marshal(document{c.Config, c.State})
	if err != nil {
		return fmt.Errorf("write state of container %s: %w", c.Short(), err)
	}
	return replaceFile(c.path("state.json"), b)
}

// replaceFile writes a file such that readers see the old or the new content.
func replaceFile(path string, content []byte) error {
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
