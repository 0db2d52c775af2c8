//go:build linux

package container

import (
	"errors"
	"fmt"
)

// The texts below are docker's: people and scripts know them.

// NotFoundError says that no container has the given name or ID.
type NotFoundError struct{ Key string }

func (e *NotFoundError) Error() string { return "No such container: " + e.Key }

// AmbiguousError says that several IDs begin with the given prefix.
type AmbiguousError struct{ Prefix string }

func (e *AmbiguousError) Error() string {
	return "multiple IDs found with provided prefix: " + e.Prefix
}

// NameConflictError says that a name is taken.
type NameConflictError struct{ Name, ID string }

func (e *NameConflictError) Error() string {
	return fmt.Sprintf("Conflict. The container name \"/%s\" is already in use by container %q. "+
		"You have to remove (or rename) that container to be able to reuse that name.", e.Name, e.ID)
}

// NotRunningError says that only a running container can do what was asked.
type NotRunningError struct{ ID string }

func (e *NotRunningError) Error() string { return "Container " + e.ID + " is not running" }

// RunningError says that a running container cannot do what was asked: be
// removed without force.
type RunningError struct{ ID, Name string }

func (e *RunningError) Error() string {
	return fmt.Sprintf("You cannot remove a running container %s. Stop the container before attempting removal or force remove", e.ID)
}

// ErrStarted is what Start returns for a container that runs already.
var ErrStarted = errors.New("container is already running")

// ErrDetached is what Attach.Wait returns when the person typed the detach
// keys: the container runs on.
var ErrDetached = errors.New("detached from the container")

// ErrDropped is what Attach.Wait returns when the monitor has closed the
// connection of a client that did not read its output.
var ErrDropped = errors.New("dropped from the container, which runs on: its output was not read for too long")
