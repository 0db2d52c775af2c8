//go:build linux

package toolbox

import (
	"slices"
)

// A named applet is a row of the table of all utilities.
type named struct {
	name string
	run  applet
}

// applets returns the table. It is built when asked for and not at start-up,
// which every command of minidock would pay for.
func applets() []named {
	return []named{
		{"[", builtin},
		{"base64", uroot},
		{"basename", basename},
		{"cat", cat},
		{"chmod", chmod},
		{"chown", chown},
		{"clear", clear},
		{"cp", cp},
		{"cut", cut},
		{"date", date},
		{"df", df},
		{"dirname", dirname},
		{"du", du},
		{"echo", builtin},
		{"env", env},
		{"false", builtin},
		{"find", uroot},
		{"grep", grep},
		{"gunzip", uroot},
		{"gzip", uroot},
		{"head", head},
		{"hostname", hostname},
		{"id", id},
		{"kill", kill},
		{"ln", ln},
		{"ls", ls},
		{"mkdir", mkdir},
		{"mktemp", uroot},
		{"mount", mount},
		{"mv", mv},
		{"printenv", printenv},
		{"printf", builtin},
		{"ps", ps},
		{"pwd", builtin},
		{"readlink", readlink},
		{"realpath", realpath},
		{"rm", rm},
		{"rmdir", rmdir},
		{"seq", seq},
		{"sh", sh},
		{"sha256sum", sha256sum},
		{"shasum", uroot},
		{"sleep", sleep},
		{"sort", sortLines},
		{"stat", stat},
		{"stty", stty},
		{"sync", syncDisks},
		{"tail", tail},
		{"tar", tarball},
		{"tee", tee},
		{"test", builtin},
		{"touch", touch},
		{"tr", tr},
		{"true", builtin},
		{"tty", tty},
		{"umount", umount},
		{"uname", uname},
		{"uniq", uniq},
		{"wc", wc},
		{"which", which},
		{"whoami", whoami},
		{"xargs", uroot},
	}
}

func find(name string) applet {
	table := applets()
	i := slices.IndexFunc(table, func(n named) bool { return n.name == name })
	if i < 0 {
		return nil
	}
	return table[i].run
}

// names returns the names of all utilities, sorted.
func names() []string {
	var all []string
	for _, n := range applets() {
		all = append(all, n.name)
	}
	return all
}
