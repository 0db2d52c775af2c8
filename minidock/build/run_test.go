package build

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRunNetwork: the flag wins over the option, and both are in the key.
func TestRunNetwork(t *testing.T) {
	for _, test := range []struct{ option, flag, want string }{
		{"", "", ""},
		{"", "--network=none ", "none"},
		{"", "--network=default ", ""},
		{"default", "", ""},
		{"none", "", "none"},
		{"none", "--network=host ", "host"},
		{"none", "--network=default ", ""},
		{"host", "--security=sandbox ", "host"},
	} {
		k := newKitchen(t, nil)
		k.base("alpine", nil, dir("bin"))
		k.opt.Network = test.option
		o := k.build("FROM alpine\nRUN " + test.flag + "x\n")
		if got := k.runs[0].Network; got != test.want {
			t.Errorf("option %q, flag %q: network %q, want %q", test.option, test.flag, got, test.want)
		}
		k.opt.Network = "host"
		if again := k.build("FROM alpine\nRUN --network=host x\n").cached(); (again == "c") != (test.want == "host") {
			t.Errorf("option %q, flag %q: the key is that of network host: %s", test.option, test.flag, o.cached())
		}
	}
}

func TestRunRefused(t *testing.T) {
	for _, test := range []struct{ flag, want string }{
		{"--security=insecure", "never gets the privileges of the host"},
		{"--security=x", `security "x" is not valid`},
		{"--network=bridge", `invalid network mode "bridge"`},
		{"--device=nvidia.com/gpu=all", "--device is not supported"},
	} {
		k := newKitchen(t, nil)
		k.base("alpine", nil, dir("bin"))
		_, err := k.try("FROM alpine\nRUN " + test.flag + " x\n")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.flag, err, test.want)
		}
	}
}

// TestRunHeredocs: a script for the shell, and one with an interpreter of its own.
func TestRunHeredocs(t *testing.T) {
	k := newKitchen(t, nil)
	k.base("alpine", nil, dir("bin"))
	for _, test := range []struct {
		text   string
		args   []string
		script string
	}{
		{"RUN <<EOF\none\ntwo\nEOF\n", []string{"/bin/sh", "-c", "one\ntwo\n"}, ""},
		{"RUN <<EOF sh\none\nEOF\n", []string{"/bin/sh", "-c", "<<EOF sh\none\nEOF"}, ""},
		{"RUN <<EOF\n#!/bin/awk -f\nBEGIN {}\nEOF\n", []string{"/dev/pipes/EOF"}, "#!/bin/awk -f\nBEGIN {}\n"},
		{"RUN <<-EOF\n\t#!/bin/sh\n\techo $X\nEOF\n", []string{"/dev/pipes/EOF"}, "#!/bin/sh\necho $X\n"},
		{"RUN --mount=type=tmpfs,target=/x <<x\n#!/x\nx\n", []string{"/dev/pipes/x"}, "#!/x\n"},
	} {
		k.build("FROM alpine\n" + test.text)
		ran := k.runs[len(k.runs)-1]
		if diff := cmp.Diff(test.args, ran.Args); diff != "" {
			t.Errorf("%s: arguments differ (-want +got):\n%s", test.text, diff)
		}
		if ran.Script == nil && test.script != "" || ran.Script != nil && *ran.Script != test.script {
			t.Errorf("%s: script %v, want %q", test.text, ran.Script, test.script)
		}
	}
	if got := k.build("FROM alpine\nRUN <<EOF\n#!/bin/awk -f\nBEGIN { other }\nEOF\n").cached(); got != "-" {
		t.Error("another script is the same step")
	}
}

// TestRunSurroundings: limits and hosts go to the command, and into its key.
func TestRunSurroundings(t *testing.T) {
	k := newKitchen(t, nil)
	k.base("alpine", nil, dir("bin"))
	const text = "FROM alpine\nRUN x\n"
	k.build(text)
	k.opt.Ulimits, k.opt.ExtraHosts = []string{"nofile=10:20"}, []string{"db:10.0.0.1"}
	if got := k.build(text).cached(); got != "-" {
		t.Error("new limits make no new step")
	}
	if r := k.runs[1]; r.Ulimits[0] != "nofile=10:20" || r.ExtraHosts[0] != "db:10.0.0.1" {
		t.Errorf("the command got %q and %q", r.Ulimits, r.ExtraHosts)
	}
	if got := k.build(text).cached(); got != "c" {
		t.Error("the same limits make a new step")
	}
}
