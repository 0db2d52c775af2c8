package build

import (
	"fmt"

	"minidock.dev/minidock/dockerfile"
)

// A secret is something that a command needs and the image must not have, such as
// the password of a package server. ARG and ENV are the wrong place: their values are in
// the image for everybody to read, and so is a file that a later step deletes, in
// the layer below. The value of a secret goes past all that a build leaves behind:
//
//	its id, where it is mounted    in the key of the step, like the rest of the line
//	its value                      in this process and in memory that only the
//	                               container of this one command sees
//
// It is in no layer, history or key; a new value rebuilds nothing. What the command
// itself does with it, nobody can undo: "cat /run/secrets/x > /key" is a file like
// any other, and "cat /run/secrets/x" is on the screen.

// secret completes a mount of type secret. One that --secret did not give is absent:
// the command finds no file, and may do without.
func (s *stage) secret(o dockerfile.Mount, m *runMount) error {
	content, there := s.Secrets[o.ID]
	if !there && o.Required {
		return fmt.Errorf("secret %s: not found", o.ID)
	}
	m.absent = !there
	m.env = o.Env
	m.Mode, m.UID, m.GID = orZero(o.Mode, 0o400), int(orZero(o.UID, 0)), int(orZero(o.GID, 0))
	m.Content = content
	return nil
}

// secretVariables are the secrets that a RUN gets as environment variables.
func secretVariables(mounts []runMount) (env []string) {
	for _, m := range mounts {
		if m.env != "" && !m.absent {
			env = append(env, m.env+"="+string(m.Content))
		}
	}
	return env
}
