package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// lastMounts are the mounts of the last RUN, without the layers they show.
func (k *kitchen) lastMounts() []Mount {
	k.t.Helper()
	if len(k.runs) == 0 {
		k.t.Fatal("nothing ran")
	}
	return k.runs[len(k.runs)-1].Mounts
}

// TestMounts: what each --mount asks the container for.
func TestMounts(t *testing.T) {
	for _, test := range []struct {
		name, option string
		want         Mount
	}{
		{"a bind of the context", "target=/src", Mount{Type: "bind", Target: "/src", ReadOnly: true, Path: "/"}},
		{"of a directory in it", "source=app,target=/src,rw", Mount{Type: "bind", Target: "/src", Path: "/app"}},
		{"of a file", "source=app/run.sh,target=/run.sh", Mount{Type: "bind", Target: "/run.sh", ReadOnly: true, Path: "/app/run.sh"}},
		{"through a link", "source=current,target=/src", Mount{Type: "bind", Target: "/src", ReadOnly: true, Path: "/app"}},
		{"a name that looks like a pattern", "source=we[ir]d *,target=/x", Mount{Type: "bind", Target: "/x", ReadOnly: true, Path: "/we[ir]d *"}},
		{"relative to WORKDIR", "target=src", Mount{Type: "bind", Target: "/w/src", ReadOnly: true, Path: "/"}},
		{"of a stage", "from=tools,source=/bin,target=/tools", Mount{Type: "bind", Target: "/tools", ReadOnly: true, Path: "/bin"}},
		{"of a stage by number", "from=0,target=/tools", Mount{Type: "bind", Target: "/tools", ReadOnly: true, Path: "/"}},
		{"of an image", "from=alpine,target=/x", Mount{Type: "bind", Target: "/x", ReadOnly: true, Path: "/"}},
		{"of nothing", "from=scratch,target=/x,rw", Mount{Type: "bind", Target: "/x", Path: "/"}},
		{"a cache", "type=cache,target=/c", Mount{Type: "cache", Target: "/c", ID: "/c", Sharing: "shared", Mode: 0o755}},
		{"of everybody's", "type=cache,target=/c,id=x,sharing=locked,mode=0777,uid=1,gid=2,ro",
			Mount{Type: "cache", Target: "/c", ID: "x", Sharing: "locked", Mode: 0o777, UID: 1, GID: 2, ReadOnly: true}},
		{"that begins with a stage's files", "type=cache,target=/c,from=tools,source=/bin",
			Mount{Type: "cache", Target: "/c", ID: "/c", Sharing: "shared", Mode: 0o755, Path: "/bin"}},
		{"with variables", "type=$KIND,target=$DIR", Mount{Type: "cache", Target: "/d", ID: "/d", Sharing: "shared", Mode: 0o755}},
		{"a tmpfs", "type=tmpfs,target=/t,size=1m", Mount{Type: "tmpfs", Target: "/t", Size: 1 << 20}},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newKitchen(t, map[string]string{"app/run.sh": "#!/bin/sh\n", "top": "top", "current": "-> app", "we[ir]d */f": "odd"})
			k.base("alpine", nil, dir("etc"), file("etc/passwd"))
			k.base("tooled", nil, dir("bin"), file("bin/tool"))
			k.build("FROM tooled AS tools\nFROM alpine\nARG KIND=cache\nENV DIR=/d\nWORKDIR /w\nRUN --mount=\"" + test.option + "\" x\n")
			got := k.lastMounts()
			if diff := cmp.Diff([]Mount{test.want}, got, cmpopts.IgnoreFields(Mount{}, "Layers")); diff != "" {
				t.Errorf("mounts differ (-want +got):\n%s", diff)
			}
			if shows := test.want.Path != "" && !strings.Contains(test.option, "scratch"); shows != (len(got[0].Layers) > 0) {
				t.Errorf("%d layers", len(got[0].Layers))
			}
		})
	}
}

// TestMountedContext: the layer has what is asked for, and nothing else.
func TestMountedContext(t *testing.T) {
	k := newKitchen(t, map[string]string{"app/run.sh": "#!", "app/bin/x": "x", "app/secret": "s", "other": "o"})
	k.ignore = "app/secret\n"
	k.base("alpine", nil, dir("etc"))
	k.build("FROM alpine\nRUN --mount=source=app,target=/src x\n")
	got := strings.Join(k.list(k.lastMounts()[0].Layers[0]), "\n")
	want := "0755 0:0 app/\n0755 0:0 app/bin/\n0644 0:0 app/bin/x x\n0755 0:0 app/run.sh #!"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layer differs (-want +got):\n%s", diff)
	}
}

// TestMountInputs: a step is done again when what a bind shows has changed, and for no
// other reason.
func TestMountInputs(t *testing.T) {
	const text = "FROM alpine AS tools\nCOPY tool /bin/\nFROM alpine\n" +
		"RUN --mount=from=tools,source=/bin,target=/t --mount=source=app,target=/src --mount=type=cache,target=/c --mount=type=secret,id=s x\n"
	for _, test := range []struct {
		name   string
		change func(k *kitchen)
		text   string
		want   string // of the RUN
		missed string
	}{
		{"nothing", func(k *kitchen) {}, text, "c", ""},
		{"a new time", func(k *kitchen) { now := then.AddDate(1, 0, 0); k.check(os.Chtimes(k.file("app/f"), now, now)) }, text, "c", ""},
		{"a file beside", func(k *kitchen) { k.write("beside", "b") }, text, "c", ""},
		{"a changed byte", func(k *kitchen) { k.write("app/f", "F") }, text, "-", "app/f"},
		{"a new file", func(k *kitchen) { k.write("app/g", "g") }, text, "-", "app/g"},
		{"a mode", func(k *kitchen) { k.check(os.Chmod(k.file("app/f"), 0o600)) }, text, "-", "app/f"},
		{"the mode of the directory", func(k *kitchen) { k.check(os.Chmod(k.file("app"), 0o700)) }, text, "-", "app"},
		{"the stage", func(k *kitchen) { k.write("tool", "T") }, text, "-", "tool"},
		{"the secret", func(k *kitchen) { k.opt.Secrets = map[string][]byte{"s": []byte("other")} }, text, "c", ""},
		{"no secret", func(k *kitchen) { k.opt.Secrets = nil }, text, "c", ""},
		{"another place", func(k *kitchen) {}, strings.Replace(text, "target=/c", "target=/d", 1), "-", ""},
		{"another way to share", func(k *kitchen) {}, strings.Replace(text, "target=/c", "target=/c,sharing=locked", 1), "-", ""},
		{"rw", func(k *kitchen) {}, strings.Replace(text, "target=/src", "target=/src,rw", 1), "-", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newKitchen(t, map[string]string{"app/f": "f", "tool": "t"})
			k.base("alpine", nil, dir("bin"))
			k.opt.Secrets = map[string][]byte{"s": []byte("hunter2")}
			k.build(text)
			test.change(k)
			o := k.build(test.text)
			cached := o.cached()
			if got := cached[len(cached)-1:]; got != test.want {
				t.Errorf("RUN: %s, want %s", got, test.want)
			}
			if r := o.results[len(o.results)-1]; !strings.Contains(r.Missed, test.missed) {
				t.Errorf("missed because of %q, want %q in it", r.Missed, test.missed)
			}
		})
	}
}

func (k *kitchen) file(name string) string { return filepath.Join(k.context, filepath.FromSlash(name)) }

func (k *kitchen) check(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// TestMountNeedsStage: a stage that is only mounted is built, and only then.
func TestMountNeedsStage(t *testing.T) {
	k := newKitchen(t, nil)
	k.base("alpine", nil, dir("bin"))
	k.build("FROM alpine AS a\nRUN a\nFROM alpine AS b\nRUN b\nFROM alpine\nRUN --mount=from=a,target=/a --mount=type=cache,target=/c c\n")
	var ran []string
	for _, r := range k.runs {
		ran = append(ran, r.Args[len(r.Args)-1])
	}
	if diff := cmp.Diff([]string{"a", "c"}, ran); diff != "" {
		t.Errorf("other commands ran (-want +got):\n%s", diff)
	}
}

func TestMountErrors(t *testing.T) {
	for _, test := range []struct{ option, want string }{
		{"source=none,target=/x", "/none: file does not exist"},
		{"from=alpine,source=none,target=/x", "/none: file does not exist"},
		{"target=/", `invalid mount target "/"`},
		{"type=cache,target=/x/..", `invalid mount target "/x/.."`},
		{"type=bind", "target is required"},
		{"type=ssh", "no ssh agent"},
		{"type=secret,id=none,required", "secret none: not found"},
		{"from=later,target=/x", "circular dependency"},
	} {
		k := newKitchen(t, nil)
		k.base("alpine", nil, dir("bin"))
		_, err := k.try("FROM alpine AS later\nRUN --mount=" + test.option + " x\n")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.option, err, test.want)
		}
	}
}

// TestMountOnbuild: a trigger may mount a stage of the file that it runs in.
func TestMountOnbuild(t *testing.T) {
	k := newKitchen(t, nil)
	k.base("alpine", nil, dir("bin"))
	k.build("FROM alpine AS tools\nRUN make\nFROM alpine AS base\nONBUILD RUN --mount=from=tools,target=/t x\nFROM base\n")
	if m := k.lastMounts(); len(m) != 1 || len(m[0].Layers) != 2 {
		t.Errorf("mounts: %v", m)
	}
}

// TestMountEmptyDirectory: it can be mounted too.
func TestMountEmptyDirectory(t *testing.T) {
	k := newKitchen(t, map[string]string{"empty/": ""})
	k.base("alpine", nil, dir("bin"))
	k.build("FROM alpine\nRUN --mount=source=empty,target=/e x\n")
	if m := k.lastMounts(); m[0].Path != "/empty" || k.list(m[0].Layers[0])[0] != "0755 0:0 empty/" {
		t.Errorf("%+v", m[0])
	}
}
