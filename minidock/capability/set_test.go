//go:build linux

package capability_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/capability"
)

func ExampleParse() {
	set, err := capability.Parse([]string{"CAP_CHOWN", "net_raw"})
	fmt.Println(set.Names(), err)
	_, err = capability.Parse([]string{"CAP_WINGS"})
	fmt.Println(err)
	// Output:
	// [CAP_CHOWN CAP_NET_RAW] <nil>
	// unknown capability: "CAP_WINGS"
}

// TestDefault compares the number with the list that docker documents.
func TestDefault(t *testing.T) {
	want := []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
		"CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP",
	}
	if diff := cmp.Diff(want, capability.Default().Names()); diff != "" {
		t.Error(diff)
	}
	set, err := capability.Parse(want)
	if err != nil || set != capability.Default() {
		t.Errorf("Parse = %#x, %v; want %#x", set, err, capability.Default())
	}
}

// TestNumbers holds a few names to the numbers of <linux/capability.h>.
func TestNumbers(t *testing.T) {
	for name, number := range map[string]int{
		"chown": 0, "CAP_SETUID": 7, "sys_admin": 21, "CAP_MKNOD": 27, "SETFCAP": 31, "cap_syslog": 34, "CHECKPOINT_RESTORE": 40,
	} {
		set, err := capability.Parse([]string{name})
		if err != nil || set != 1<<number {
			t.Errorf("Parse(%q) = %#x, %v; want bit %d", name, set, err, number)
		}
	}
	if set, err := capability.Parse([]string{"all"}); err != nil || set != 1<<41-1 {
		t.Errorf("Parse(all) = %#x, %v", set, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("CAP_CHOWN")
	f.Add("all")
	f.Fuzz(func(t *testing.T, name string) {
		set, err := capability.Parse([]string{name})
		if err != nil {
			return
		}
		again, err := capability.Parse(set.Names())
		if err != nil || again != set {
			t.Errorf("%q: %#x, and from its names %#x, %v", name, set, again, err)
		}
	})
}
