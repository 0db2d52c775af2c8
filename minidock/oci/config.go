package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// ImageConfig is what an image says about itself: how to run it, which layers
// it is made of, and how it came about. The digest of its JSON is the image ID.
// (image-spec config.md)
type ImageConfig struct {
	// Created is when the last step of the build was made; nil if unknown.
	Created *time.Time `json:"created,omitempty"`
	// Author is the person to ask.
	Author string `json:"author,omitempty"`
	// Platform is what the programs in the image need; its fields stand in
	// the document itself, not in one of their own.
	Platform
	// Config is how to run a container of this image.
	Config Config `json:"config"`
	// RootFS lists the layers.
	RootFS RootFS `json:"rootfs"`
	// History has a row a build step, the oldest first.
	History []History `json:"history,omitempty"`
}

// Config holds the defaults of a container. The names are capitalised because
// Docker's were, before there was a specification.
type Config struct {
	// User is whom to run as: "user", "uid", "user:group", "uid:gid".
	User string `json:"User,omitempty"`
	// ExposedPorts are the ports that the program listens on: "80/tcp".
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	// Env is the environment, each "NAME=value".
	Env []string `json:"Env,omitempty"`
	// Entrypoint is the start of the command line, kept when a user gives
	// arguments.
	Entrypoint []string `json:"Entrypoint,omitempty"`
	// Cmd is the rest of the command line, replaced when a user gives
	// arguments.
	Cmd []string `json:"Cmd,omitempty"`
	// Volumes are directories whose content shall outlive the container.
	Volumes map[string]struct{} `json:"Volumes,omitempty"`
	// WorkingDir is where the command starts.
	WorkingDir string `json:"WorkingDir,omitempty"`
	// Labels are free key-value pairs.
	Labels map[string]string `json:"Labels,omitempty"`
	// StopSignal asks the program to end: "SIGTERM", "15".
	StopSignal string `json:"StopSignal,omitempty"`
	// ArgsEscaped matters to Windows only.
	ArgsEscaped bool `json:"ArgsEscaped,omitempty"`

	// The last three are Docker's; the specification reserves their names.

	// Healthcheck is the command that tells whether the program is well.
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
	// OnBuild are instructions to run when another image is built FROM this
	// one.
	OnBuild []string `json:"OnBuild,omitempty"`
	// Shell runs the shell form of RUN, CMD and ENTRYPOINT.
	Shell []string `json:"Shell,omitempty"`
}

// Healthcheck is Docker's HEALTHCHECK. In JSON the times are nanoseconds; 0
// means the default.
type Healthcheck struct {
	// Test is ["NONE"], ["CMD", args…] or ["CMD-SHELL", line]; empty inherits.
	Test []string `json:"Test,omitempty"`
	// Interval is the time between two checks.
	Interval time.Duration `json:"Interval,omitempty"`
	// Timeout is how long one check may take.
	Timeout time.Duration `json:"Timeout,omitempty"`
	// StartPeriod is how long failures do not count after the start.
	StartPeriod time.Duration `json:"StartPeriod,omitempty"`
	// StartInterval is the time between checks during StartPeriod.
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	// Retries is how many failures in a row make a container unhealthy.
	Retries int `json:"Retries,omitempty"`
}

// RootFS lists the layers by what they hold, not by how they are stored.
type RootFS struct {
	// Type is "layers".
	Type string `json:"type"`
	// DiffIDs are the layers, the base first: as many as the manifest lists.
	DiffIDs []DiffID `json:"diff_ids"`
}

// History is one step of the build.
type History struct {
	// Created is when the step was made.
	Created *time.Time `json:"created,omitempty"`
	// CreatedBy is the command or instruction.
	CreatedBy string `json:"created_by,omitempty"`
	// Author is who made it.
	Author string `json:"author,omitempty"`
	// Comment is free text.
	Comment string `json:"comment,omitempty"`
	// EmptyLayer marks a step that changed no file and so has no layer. The
	// other steps are, in order, the layers.
	EmptyLayer bool `json:"empty_layer,omitempty"`
}

// ParseImageConfig decodes and checks an image configuration. Lists that are
// null count as absent: Docker wrote them so for years. So does a missing
// diff_ids, Docker's form of an image without files.
func ParseImageConfig(b []byte) (ImageConfig, error) {
	var c ImageConfig
	if err := unmarshal(b, &c); err != nil {
		return ImageConfig{}, fmt.Errorf("parse image config: %w", err)
	}
	if c.RootFS.Type != "layers" {
		return ImageConfig{}, fmt.Errorf("parse image config: rootfs type is %q, not \"layers\"", c.RootFS.Type)
	}
	if len(c.RootFS.DiffIDs) == 0 {
		c.RootFS.DiffIDs = []DiffID{} // null is not what we would write
	}
	for i, id := range c.RootFS.DiffIDs {
		if _, err := ParseDiffID(string(id)); err != nil {
			return ImageConfig{}, fmt.Errorf("parse image config: diff ID %d: %w", i, err)
		}
	}
	return c, nil
}

// Clone returns a copy that shares nothing with c.
func (c ImageConfig) Clone() ImageConfig {
	c.Created = cloneTime(c.Created)
	c.OSFeatures = slices.Clone(c.OSFeatures)
	c.Config = c.Config.clone()
	c.RootFS.DiffIDs = slices.Clone(c.RootFS.DiffIDs)
	c.History = slices.Clone(c.History)
	for i := range c.History {
		c.History[i].Created = cloneTime(c.History[i].Created)
	}
	return c
}

func (c Config) clone() Config {
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	c.Env = slices.Clone(c.Env)
	c.Entrypoint = slices.Clone(c.Entrypoint)
	c.Cmd = slices.Clone(c.Cmd)
	c.Volumes = maps.Clone(c.Volumes)
	c.Labels = maps.Clone(c.Labels)
	c.OnBuild = slices.Clone(c.OnBuild)
	c.Shell = slices.Clone(c.Shell)
	if c.Healthcheck != nil {
		h := *c.Healthcheck
		h.Test = slices.Clone(h.Test)
		c.Healthcheck = &h
	}
	return c
}

func cloneTime(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := *t
	return &u
}

// CheckHistory checks that the history fits the layers: no more rows that have one
// than there are. Fewer are allowed, since some builders do not tell everything.
func (c ImageConfig) CheckHistory() error {
	n := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			n++
		}
	}
	if n > len(c.RootFS.DiffIDs) {
		return errors.New("too many non-empty layers in History section")
	}
	return nil
}

// Marshal encodes a document of our own. The bytes are what is hashed and
// stored, so their form is fixed: the fields in the order of the types above,
// no space, no line end, and no "\u003c" for "<", which would only be noise in
// a history.
func Marshal(document any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		return nil, fmt.Errorf("encode %T: %w", document, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
