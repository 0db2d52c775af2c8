package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// A finding is one line of doctor.
type finding struct {
	verdict string
	what    string
	text    string // what there is, or what is missing and how to get it
}

const (
	good = "ok"
	note = "--" // works, with less
	bad  = "NO" // containers do not work
)

func (a *app) doctorCommand() *cobra.Command {
	var overlay bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine lets this user do, and say how to allow the rest",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if overlay {
				return a.tryOverlay(cmd.Context())
			}
			return a.report(a.doctor(cmd.Context()))
		},
	}
	// How doctor calls itself inside a user namespace.
	cmd.Flags().BoolVar(&overlay, "overlay", false, "Only try to mount an overlay")
	cmd.Flags().MarkHidden("overlay")
	return cmd
}

// report prints the findings; the exit code tells whether containers work.
func (a *app) report(findings []finding) error {
	sick := false
	c := colorsFor(a.Out)
	paint := map[string]func(...any) string{good: c.good, note: c.note, bad: c.bad}
	for _, f := range findings {
		fmt.Fprintf(a.Out, "%s %-17s %s\n", paint[f.verdict](fmt.Sprintf("%-3s", f.verdict)), f.what, f.text)
		sick = sick || f.verdict == bad
	}
	if sick {
		return &statusError{code: 1}
	}
	return nil
}
