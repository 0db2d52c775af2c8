package cli

import "github.com/spf13/cobra"

// containerCommands are the verbs about containers, and then the same ones once
// more in their group.
func (a *app) containerCommands() []*cobra.Command {
	group := a.group("container", "Manage containers",
		a.execCommand(), a.exportCommand(), a.containerInspectCommand(), a.killCommand(), a.logsCommand(), a.psCommand("ls", "list", "ps"),
		a.rmCommand("rm", "remove"), a.runCommand(), a.startCommand(), a.stopCommand(), a.waitCommand())
	return []*cobra.Command{group, a.execCommand(), a.exportCommand(), a.killCommand(), a.logsCommand(), a.psCommand("ps"), a.rmCommand("rm"),
		a.runCommand(), a.startCommand(), a.stopCommand(), a.unshareCommand(), a.waitCommand()}
}
