package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"minidock.dev/minidock/container"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/sandbox"
	"minidock.dev/minidock/term"
)

type runOptions struct {
	createOptions
	detach     bool
	sigProxy   bool
	detachKeys string
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [OPTIONS] IMAGE [COMMAND] [ARG...]",
		Short: "Create and run a new container from an image",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := a.runContainer(cmd.Context(), o, args[0], args[1:])
			return a.runError(err)
		},
	}
	stopAtImage(cmd)
	o.register(cmd.Flags())
	cmd.Flags().BoolVarP(&o.detach, "detach", "d", false, "Run container in background and print container ID")
	cmd.Flags().BoolVar(&o.sigProxy, "sig-proxy", true, "Proxy received signals to the process")
	cmd.Flags().StringVar(&o.detachKeys, "detach-keys", "ctrl-p,ctrl-q", "Override the key sequence for detaching a container")
	return cmd
}

// stopAtImage ends a verb's flags at its first argument, so that `run image
// ls -l` passes -l on; and -h is free, for run's --hostname.
func stopAtImage(cmd *cobra.Command) {
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().Bool("help", false, "Print usage")
	cmd.Flags().Lookup("help").Hidden = true
}

// runContainer is the path of `run`: image, unpacked layers, container, process.
func (a *app) runContainer(ctx context.Context, o runOptions, name string, args []string) error {
	if !o.detach {
		if err := a.checkTerminal(o.tty, o.interactive); err != nil {
			return err
		}
	}
	keys, err := parseDetachKeys(o.detachKeys)
	if err != nil {
		return err
	}
	if err := a.becomeRoot(ctx); err != nil {
		return err
	}
	store, err := a.containers()
	if err != nil {
		return err
	}
	images, err := a.layout(ctx)
	if err != nil {
		return err
	}
	store.Warm(ctx)
	// Until the container runs: see removeContainer.
	release, err := images.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	c, err := a.create(ctx, o.createOptions, name, args)
	if err != nil {
		return err
	}
	if o.detach {
		if err := store.Start(ctx, c, nil); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, c.ID)
		return nil
	}
	s := a.session(c.Tty, o.interactive, o.sigProxy, keys)
	defer s.restore()
	if err := store.Start(ctx, c, s.Attach); err != nil {
		return err
	}
	release()
	return s.wait(ctx)
}

// create finds or makes the image, unpacks what is not unpacked yet, and makes
// the container.
func (a *app) create(ctx context.Context, o createOptions, name string, args []string) (*container.Container, error) {
	images, err := a.layout(ctx)
	if err != nil {
		return nil, err
	}
	// From here until the container is there and names its layers, nobody may
	// delete them as unused.
	release, err := images.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	img, err := a.imageToRun(ctx, name)
	if err != nil {
		return nil, err
	}
	cfg, err := o.config(name, img, args)
	if err != nil {
		return nil, err
	}
	if err := a.unpack(ctx, img.Layers); err != nil {
		return nil, err
	}
	store, err := a.containers()
	if err != nil {
		return nil, err
	}
	return store.Create(ctx, cfg)
}

// imageToRun looks the image up here; the built-in one is made when missing.
func (a *app) imageToRun(ctx context.Context, name string) (*image.Found, error) {
	img, err := a.base(ctx, name)
	var missing *image.NotFoundError
	if errors.As(err, &missing) {
		fmt.Fprintf(a.Err, "Unable to find image '%s' locally\n", missing.Name)
	}
	return img, err
}

// runError gives an error of run docker's prefix, tail and exit code.
func (a *app) runError(err error) error {
	var status *statusError
	if err == nil || errors.As(err, &status) {
		return err
	}
	if startCode(err) != 125 {
		err = fmt.Errorf("OCI runtime create failed: unable to start container process: %w: unknown", err)
	}
	text := fmt.Sprintf("%s: %s.\nSee '%s run --help'.", a.name, refusal(err), a.name)
	if hint := hint(err); hint != "" {
		text += "\n" + hint
	}
	return &statusError{startCode(err), text}
}

// startCode is the exit code for a process that could not be started: 126 or
// 127 as the shell has them for a command, 125 for everything before it.
func startCode(err error) int {
	var start *sandbox.StartError
	if errors.As(err, &start) && (start.Code == 126 || start.Code == 127) {
		return start.Code
	}
	return 125
}

// checkTerminal refuses what cannot work: a person's terminal that is none.
func (a *app) checkTerminal(tty, interactive bool) error {
	if tty && interactive && !term.IsTerminal(os.Stdin) {
		return plainError("the input device is not a TTY")
	}
	return nil
}
