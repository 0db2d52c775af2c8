package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"minidock.dev/minidock/source"
)

// owner is who gets the files of a COPY --chown.
type owner struct{ uid, gid int }

// readOwner reads user[:group]. Names are those of the image, whose /etc/passwd and
// /etc/group are read for it; the host's users are other people.
//
//	1000        1000:1000
//	1000:50     1000:50
//	app         the user's uid, and the gid of his own group
//	app:www     the user's uid, and the group's gid
//	:50         0:50
//	app:        as app alone (chown(1))
func readOwner(ctx context.Context, r *source.Image, spec string) (owner, error) {
	user, group, _ := strings.Cut(spec, ":")
	if user == "" && group == "" {
		return owner{}, fmt.Errorf("invalid owner %q: want user or user:group", spec)
	}
	if user == "" {
		user = "0"
	}
	var o owner
	var err error
	if o.uid, err = parseID(user); err == nil {
		o.gid = o.uid
	} else if o, err = findUser(ctx, r, user); err != nil {
		return owner{}, err
	}
	if group == "" {
		return o, nil
	}
	if o.gid, err = parseID(group); err != nil {
		o.gid, err = findGroup(ctx, r, group)
	}
	return o, err
}

// parseID reads a numeric ID. The kernel keeps the largest for "no ID".
func parseID(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n == 1<<32-1 {
		err = strconv.ErrRange
	}
	return int(n), err
}

// findUser finds a name in /etc/passwd, whose lines are
// name:password:uid:gid:comment:home:shell (passwd(5)).
func findUser(ctx context.Context, r *source.Image, name string) (owner, error) {
	fields, err := findLine(ctx, r, "etc/passwd", name)
	if err != nil {
		return owner{}, fmt.Errorf("unable to find user %s: %w", name, err)
	}
	if len(fields) < 4 {
		return owner{}, fmt.Errorf("unable to find user %s: malformed line in /etc/passwd", name)
	}
	uid, err1 := parseID(fields[2])
	gid, err2 := parseID(fields[3])
	return owner{uid, gid}, errors.Join(err1, err2)
}

// findGroup finds a name in /etc/group: name:password:gid:members (group(5)).
func findGroup(ctx context.Context, r *source.Image, name string) (int, error) {
	fields, err := findLine(ctx, r, "etc/group", name)
	if err != nil {
		return 0, fmt.Errorf("unable to find group %s: %w", name, err)
	}
	if len(fields) < 3 {
		return 0, fmt.Errorf("unable to find group %s: malformed line in /etc/group", name)
	}
	return parseID(fields[2])
}

// findLine returns the fields of the line that begins with name.
func findLine(ctx context.Context, r *source.Image, file, name string) ([]string, error) {
	content, err := r.ReadFile(ctx, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if fields[0] == name {
			return fields, nil
		}
	}
	return nil, fmt.Errorf("no matching entries in /%s of the image", file)
}
