package cli

import (
	"slices"
	"strings"
)

// laterVerbs are commands of docker's that are not built yet, each with what
// helps meanwhile. Whoever types one has made no mistake and is told so.
var laterVerbs = map[string]string{
	"attach": "'logs -f' follows the output, and 'exec -it' opens a shell inside", "buildx": "'build' builds", "commit": "",
	"compose": "", "cp": "'exec' with tar passes files through a pipe; 'run -v' shares a directory",
	"create": "'run -d' creates and starts", "diff": "", "events": "",
	"login": "", "logout": "", "network": "'run --network' knows host and none", "pause": "", "port": "", "pull": "the image tiny is built in, and 'import' makes one of a root file system",
	"push": "", "rename": "", "restart": "'stop' and 'start' do the same", "search": "", "stats": "",
	"top": "'exec' with ps shows the processes", "unpause": "", "update": "", "volume": "'run -v' shares a directory of this machine",
}

// laterFlags are those flags of docker's that are not built yet.
var laterFlags = map[string]string{
	"build": "allow annotation attest build-context builder cache-from cache-to call cgroup-parent cpu-period cpu-quota cpu-shares c cpuset-cpus cpuset-mems " +
		"isolation memory m memory-swap no-cache-filter provenance push sbom security-opt shm-size ssh",
	"exec":    "env-file privileged",
	"images":  "tree",
	"inspect": "size s",
	"logs":    "details since until",
	"ps":      "filter f size s",
	"rm":      "link",
	"run": "add-host attach a blkio-weight cap-add cap-drop cgroup-parent cgroupns cidfile cpu-period cpu-quota cpu-shares c cpus cpuset-cpus cpuset-mems " +
		"device dns dns-option dns-search domainname env-file expose gpus group-add health-cmd health-interval health-retries health-start-period health-timeout " +
		"init ip ipc label-file link log-driver log-opt mac-address memory m memory-reservation memory-swap mount network-alias no-healthcheck oom-kill-disable " +
		"oom-score-adj pid pids-limit platform privileged publish p publish-all P pull quiet q read-only restart runtime security-opt shm-size sysctl tmpfs " +
		"ulimit userns uts volume-driver volumes-from",
	"start": "checkpoint detach-keys",
	"stop":  "signal s timeout",
}

// insteadOfFlag is what helps meanwhile, "" if nothing does.
func insteadOfFlag(verb, flag string) string {
	switch verb + " " + flag {
	case "build build-context":
		return "a stage FROM the other image, or a directory inside the context, can be copied from"
	case "build cache-from", "build cache-to":
		return "every build uses and fills the cache of this store by itself"
	case "build no-cache-filter":
		return "--no-cache runs every step again"
	case "build provenance", "build sbom", "build attest":
		return "leave it out: nothing of that kind is added to an image here"
	case "build push":
		return "-o type=oci,dest=FILE writes an image that other tools can push"
	case "build ssh":
		return "--secret passes a key to RUN --mount=type=secret"
	}
	return ""
}

// isLaterFlag takes a flag's name or letter.
func isLaterFlag(verb, flag string) bool {
	if verb == "ls" || verb == "list" {
		verb = "ps"
	}
	return slices.Contains(strings.Fields(laterFlags[verb]), flag)
}
