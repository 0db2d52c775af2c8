//go:build linux

package cachemount

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"minidock.dev/minidock/namespace"
)

// TestMain makes an ordinary user root of a user namespace, as the engine does. With
// a root in the environment the process is one that TestKilled kills.
func TestMain(m *testing.M) {
	namespace.AwaitMapping()
	if os.Geteuid() != 0 {
		code, err := namespace.BecomeRoot(context.Background(), os.Args, os.Environ())
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot test caches:", err)
			code = 1
		}
		os.Exit(code)
	}
	if root := os.Getenv("CACHEMOUNT_TEST_ROOT"); root != "" {
		_, release, err := Open(root, Options{}).Use(context.Background(), []Use{{Cache: Cache{ID: "x"}, Sharing: "locked"}})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("locked")
		time.Sleep(time.Minute)
		release()
		os.Exit(0)
	}
	os.Exit(m.Run())
}
