//go:build linux

package namespace

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the tests start this binary again in the roles below.
func TestMain(m *testing.M) {
	AwaitMapping()
	if i := slices.Index(os.Args, "role"); i >= 0 {
		os.Exit(roles[os.Args[i+1]](os.Args[i+2:]))
	}
	os.Exit(m.Run())
}

var roles = map[string]func(args []string) int{
	// become starts another role through BecomeRoot.
	"become": func(args []string) int {
		code, err := BecomeRoot(context.Background(), append([]string{os.Args[0], "role"}, args...), os.Environ())
		if err != nil {
			fmt.Println(err)
			return 99
		}
		return code
	},
	"exit": func(args []string) int {
		code, _ := strconv.Atoi(args[0])
		return code
	},
	// die ends by a signal that nobody can catch.
	"die": func([]string) int {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	},
	// status prints what the kernel thinks of this process and of a child of its.
	"status": func([]string) int {
		fmt.Println("uid", os.Getuid(), "gid", os.Getgid(), "pgrp", unix.Getpgrp(), "env", os.Getenv(envMapping))
		for _, thread := range threads() {
			b, _ := os.ReadFile("/proc/self/task/" + thread + "/status")
			for line := range strings.Lines(string(b)) {
				if strings.HasPrefix(line, "Cap") {
					fmt.Print(line)
				}
			}
		}
		self, err := Current()
		fmt.Printf("%+v %v\n", self, err)
		fmt.Println("mount", unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""))
		return 0
	},
	// forward passes two signals on to a child that the terminal does not reach.
	"forward": func([]string) int {
		child := exec.Command("sleep", "60")
		child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := child.Start(); err != nil {
			return report(err)
		}
		forward(child.Process.Pid, syscall.SIGINT)
		forward(child.Process.Pid, syscall.SIGTERM)
		fmt.Println(child.Wait())
		return 0
	},
	// The checks of namespace_test.go that need a mount namespace of their own.
	"private": func(args []string) int { return report(checkPrivate(context.Background(), args[0])) },
	"join":    func([]string) int { return report(joinBack(context.Background())) },
	"errors":  func([]string) int { return report(checkErrors(context.Background())) },
	// signals prints the signals it gets until SIGTERM.
	"signals": func([]string) int {
		c := make(chan os.Signal, 10)
		signal.Notify(c, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGHUP)
		fmt.Println("ready", os.Getpid())
		for {
			select {
			case sig := <-c:
				fmt.Println("got", sig)
				if sig == syscall.SIGTERM {
					time.Sleep(50 * time.Millisecond) // for a second copy, if there were one
					return 7
				}
			case <-time.After(10 * time.Second):
				return 98
			}
		}
	},
}

func report(err error) (exitCode int) {
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func threads() (list []string) {
	entries, _ := os.ReadDir("/proc/self/task")
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
