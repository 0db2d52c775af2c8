//go:build linux

package capability

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/sys"
)

// Sets are the five sets of a thread. The zero value is a thread without any
// privilege.
type Sets struct {
	Bounding, Effective, Permitted, Inheritable, Ambient Set
}

// Apply gives the calling thread exactly these sets. It is called after the change
// of user, with PR_SET_KEEPCAPS on, since the change itself takes privileges; it
// needs CAP_SETPCAP, until it drops it.
//
// What the thread does not have itself it cannot give: minidock inside another
// container, which may lack CAP_MKNOD, gives what there is instead of nothing.
func Apply(ctx context.Context, s Sets) error {
	ctx = explain.Step(ctx, "keep the capabilities %v", s.Bounding)
	have, err := sys.Capget()
	if err != nil {
		return err
	}
	// Leaving user 0 emptied the effective set, and to drop from the bounding
	// set CAP_SETPCAP has to be effective.
	have.Effective = have.Permitted
	if err := sys.Capset(ctx, have); err != nil {
		return err
	}
	if err := dropBounding(ctx, s.Bounding); err != nil {
		return err
	}
	permitted := uint64(s.Permitted) & have.Permitted
	err = sys.Capset(ctx, sys.Caps{
		Permitted:   permitted,
		Effective:   uint64(s.Effective) & permitted,
		Inheritable: uint64(s.Inheritable) & uint64(s.Bounding) & (have.Inheritable | permitted),
	})
	if err != nil {
		return err
	}
	return setAmbient(ctx, s.Ambient&Set(permitted)&s.Inheritable)
}

// dropBounding asks for every number until the kernel knows no further one, so
// that capabilities younger than this program are dropped as well.
func dropBounding(ctx context.Context, keep Set) error {
	ctx = explain.Step(ctx, "drop all others for good, up to the first number that the kernel does not know")
	for number := range 64 {
		if keep.Has(number) {
			continue
		}
		err := sys.DropBounding(ctx, number)
		if errors.Is(err, unix.EINVAL) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func setAmbient(ctx context.Context, s Set) error {
	if err := sys.ClearAmbient(ctx); err != nil {
		return err
	}
	for number := range 64 {
		if s.Has(number) {
			if err := sys.RaiseAmbient(ctx, number); err != nil {
				return err
			}
		}
	}
	return nil
}
