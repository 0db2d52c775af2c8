package build

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// history lists the rows, the oldest first: "-" marks one without a layer, and
// hashes are shortened.
func history(i *image.Image) string {
	hash := regexp.MustCompile("[0-9a-f]{64}")
	var b strings.Builder
	for _, h := range i.Config.History {
		mark := "+ "
		if h.EmptyLayer {
			mark = "- "
		}
		b.WriteString(mark + hash.ReplaceAllString(h.CreatedBy, "HASH") + "\n")
	}
	return b.String()
}

// TestEveryInstruction is the golden image: each instruction's effect on the
// configuration and its row in the history.
func TestEveryInstruction(t *testing.T) {
	k := newKitchen(t, map[string]string{"a": "A"})
	o := k.build(`FROM scratch
MAINTAINER me
ARG VERSION=1
ENV A=a B="b b"
ENV A=$VERSION C=$A
LABEL k=v "two words"=x
WORKDIR /srv
WORKDIR app
COPY a .
RUN make $A
USER app:www
EXPOSE 80 53/UDP 8000-8001
VOLUME /data /x
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --retries=2 CMD check it
ONBUILD RUN later
SHELL ["/bin/bash", "-c"]
ENTRYPOINT ["run"]
CMD serve $A
`)
	want := `- /bin/sh -c #(nop)  MAINTAINER me
- /bin/sh -c #(nop)  ARG VERSION=1
- /bin/sh -c #(nop)  ENV A=a B=b b
- /bin/sh -c #(nop)  ENV A=1 C=a
- /bin/sh -c #(nop)  LABEL k=v two words=x
+ /bin/sh -c #(nop) WORKDIR /srv
+ /bin/sh -c #(nop) WORKDIR /srv/app
+ /bin/sh -c #(nop) COPY file:HASH in . 
+ |1 VERSION=1 /bin/sh -c make $A
- /bin/sh -c #(nop)  USER app:www
- /bin/sh -c #(nop)  EXPOSE 80 53/UDP 8000-8001
- /bin/sh -c #(nop)  VOLUME [/data /x]
- /bin/sh -c #(nop)  STOPSIGNAL SIGINT
- /bin/sh -c #(nop)  HEALTHCHECK {Test:[CMD-SHELL check it] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}
- /bin/sh -c #(nop)  ONBUILD RUN later
- /bin/sh -c #(nop)  SHELL [/bin/bash -c]
- /bin/bash -c #(nop)  ENTRYPOINT ["run"]
- /bin/bash -c #(nop)  CMD ["/bin/bash" "-c" "serve $A"]
`
	if diff := cmp.Diff(want, history(o.Image)); diff != "" {
		t.Errorf("history: %s", diff)
	}
	set := func(names ...string) map[string]struct{} {
		m := map[string]struct{}{}
		for _, n := range names {
			m[n] = struct{}{}
		}
		return m
	}
	config := oci.Config{
		User: "app:www", WorkingDir: "/srv/app", StopSignal: "SIGINT",
		Env:          []string{"PATH=" + defaultPath, "A=1", "B=b b", "C=a"},
		Entrypoint:   []string{"run"},
		Cmd:          []string{"/bin/bash", "-c", "serve $A"},
		ExposedPorts: set("80/tcp", "53/udp", "8000/tcp", "8001/tcp"),
		Volumes:      set("/data", "/x"),
		Labels:       map[string]string{"k": "v", "two words": "x"},
		OnBuild:      []string{"RUN later"},
		Shell:        []string{"/bin/bash", "-c"},
		Healthcheck:  &oci.Healthcheck{Test: []string{"CMD-SHELL", "check it"}, Interval: 5 * time.Second, Retries: 2},
	}
	if diff := cmp.Diff(config, o.Config.Config); diff != "" {
		t.Errorf("config: %s", diff)
	}
	if o.Config.Author != "me" {
		t.Errorf("author %q", o.Config.Author)
	}
	if want := "0755 0:0 srv/\n0755 0:0 srv/app/\n0644 0:0 srv/app/a A"; want != strings.Join(k.list(o.Layers[2]), "\n") {
		t.Errorf("COPY into WORKDIR: %s", k.list(o.Layers[2]))
	}
	step := k.runs[0]
	want = "[/bin/sh -c make $A] [PATH=" + defaultPath + " A=1 B=b b C=a VERSION=1] /srv/app"
	if got := strings.Join([]string{bracket(step.Args), bracket(step.Env), step.WorkingDir}, " "); got != want {
		t.Errorf("RUN got %s, want %s", got, want)
	}
}

func bracket(s []string) string { return "[" + strings.Join(s, " ") + "]" }

// TestVariables: what the last RUN, a shell line, and a label get to see.
func TestVariables(t *testing.T) {
	for _, c := range []struct{ name, text, args, want string }{
		{"env beats arg", "ENV X=env\nARG X=arg\nLABEL got=$X", "", "env"},
		{"env beats build-arg", "ARG X\nENV X=env\nLABEL got=$X", "X=cli", "env"},
		{"before the instruction", "ENV X=1\nENV X=2 Y=$X\nLABEL got=$Y", "", "1"},
		{"default", "ARG X=default\nLABEL got=$X", "", "default"},
		{"build-arg", "ARG X=default\nLABEL got=$X", "X=cli", "cli"},
		{"not declared", "LABEL got=$X", "X=cli", ""},
		{"not declared yet", "LABEL got=$X\nARG X", "X=cli", ""},
		{"global not seen", "LABEL got=$G", "", ""},
		{"global declared again", "ARG G\nLABEL got=$G", "", "global"},
		{"global, with a default", "ARG G=stage\nLABEL got=$G", "", "stage"},
		{"global from build-arg", "ARG G\nLABEL got=$G", "G=cli", "cli"},
		{"platform", "ARG TARGETOS\nLABEL got=$TARGETOS", "", "linux"},
		{"platform undeclared", "LABEL got=$TARGETOS", "", ""},
		{"another stage's", "ARG X=1\nFROM scratch\nLABEL got=$X", "", ""},
		{"a parent stage's", "ARG X=1\nFROM first\nLABEL got=$X", "", "1"},
		{"a parent stage's env", "ENV X=1\nFROM first\nLABEL got=$X", "", "1"},
		{"modifier", "ENV X=a/b/c\nLABEL got=${X##*/}-${Y:-none}", "", "c-none"},
		{"single quotes", "ENV X=1\nLABEL got='$X'", "", "$X"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKitchen(t, nil)
			if name, value, ok := strings.Cut(c.args, "="); ok {
				k.opt.Args = map[string]string{name: value}
			}
			o := k.build("ARG G=global\nFROM scratch AS first\n" + c.text + "\n")
			if got := o.Config.Config.Labels["got"]; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStages(t *testing.T) {
	const text = `ARG BASE=scratch
FROM scratch AS one
COPY a /one
FROM $BASE AS unused
RUN never
FROM one AS two
COPY b /two
FROM ${BASE}
COPY --from=one /one /
COPY --from=2 /two /
`
	files := map[string]string{"a": "A", "b": "B"}
	k := newKitchen(t, files)
	o := k.build(text)
	if len(k.runs) > 0 {
		t.Error("a stage that nothing needs was built")
	}
	if got, want := o.results[0].Total, 8; got != want { // with the global ARG, without the unused stage
		t.Errorf("%d steps, want %d", got, want)
	}
	if got := k.top(o); got != "0644 0:0 two B" {
		t.Errorf("top layer %s", got)
	}
	k.opt.Target = "TWO"
	o = k.build(text)
	if got := o.cached(); got != "cc" {
		t.Errorf("target two: cached %s", got)
	}
	k.opt.Target = "0"
	if o = k.build(text); len(o.Layers) != 1 {
		t.Errorf("target 0 has %d layers", len(o.Layers))
	}
	// The stage comes out the same, so what is copied from it is cached, too.
	k.opt.Target = ""
	o = k.build(strings.Replace(text, "COPY a /one", "ENV new=1\nCOPY a /one", 1))
	if got := o.cached(); got != "---cc" {
		t.Errorf("another stage of equal files: cached %s", got)
	}
}

func TestStageErrors(t *testing.T) {
	for _, c := range []struct{ text, target, want string }{
		{"FROM scratch\n", "nope", `target stage "nope" could not be found`},
		{"FROM nope\n", "", "No such image: nope"},
		{"ARG X\nFROM $X\n", "", "base name ($X) should not be blank"},
		{"FROM scratch AS a\nCOPY --from=a x /\n", "", "circular dependency detected on stage: a"},
		{"FROM scratch AS a\nCOPY --from=b x /\nFROM scratch AS b\n", "a", `cannot copy from stage "b", it needs to be defined before current stage "a"`},
		{"FROM scratch\nCOPY --from=3 x /\n", "", "invalid from flag value 3"},
		{"FROM --platform=$BULIDPLATFORM base\n", "", "empty platform value from expression $BULIDPLATFORM"},
		{"FROM --platform=plan9/mips base\n", "", "not for plan9/mips"},
		{"FROM scratch\nSTOPSIGNAL SIGNONE\n", "", "invalid signal: SIGNONE"},
		{"FROM scratch\nEXPOSE 80-70\n", "", "invalid containerPort: 80-70"},
		{"FROM scratch\nEXPOSE 1/x\n", "", "invalid proto: x"},
		{"FROM base\nWORKDIR /file\n", "", "make directory /file: it is a file"},
		{"FROM base\nWORKDIR " + strings.Repeat("/a", 3000) + "\n", "", "path is longer than 4095 bytes: /a/a"},
		{"FROM base\nCOPY --from=base file " + strings.Repeat("/a", 3000) + "\n", "", "path is longer than 4095 bytes: /a/a"},
		{"FROM base\nRUN --mount=type=floppy true\n", "", `Dockerfile line 2: unsupported mount type "floppy"`},
		{"FROM base\nENV a=" + strings.Repeat("x", 2<<20) + strings.Repeat("\nENV b=1", 200) + "\n", "", "too many instructions"},
	} {
		k := newKitchen(t, nil)
		f := k.base("base", nil)
		f.Image = f.Append(k.layer([]layer.Entry{file("file")}, nil), f.Config.History[0])
		k.opt.Target = c.target
		_, err := k.try(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

// TestConfiguration: what the configuration has of instructions that can be written in
// more than one way.
func TestConfiguration(t *testing.T) {
	for text, want := range map[string]oci.Config{
		"WORKDIR /a/../b//c":                {WorkingDir: "/a/../b//c"}, // as it is written
		"WORKDIR /a/../b//c\nWORKDIR ../d/": {WorkingDir: "/b/d"},
		"EXPOSE 80/ 53/UDP":                 {ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}},
		"HEALTHCHECK --interval=5s NONE":    {Healthcheck: &oci.Healthcheck{Test: []string{"NONE"}}},
		"USER :10":                          {User: ":10"},
	} {
		got := newKitchen(t, nil).build("FROM scratch\n" + text + "\n").Image.Config.Config
		want.Env = got.Env
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestOnbuild(t *testing.T) {
	k := newKitchen(t, map[string]string{"a": "A"})
	parent := k.build("FROM scratch\nONBUILD ENV X=1\nONBUILD COPY a /$X\n")
	k.bases["parent"] = &image.Found{Image: parent.Image, Descriptor: parent.manifest}
	o := k.build("FROM parent\nLABEL x=$X\n")
	if got := k.top(o); got != "0644 0:0 1 A" {
		t.Errorf("top layer %s", got)
	}
	if c := o.Config.Config; len(c.OnBuild) > 0 || c.Labels["x"] != "1" {
		t.Errorf("config %+v", c)
	}
	if last := o.results[len(o.results)-1]; last.N != 4 || last.Total != 4 {
		t.Errorf("step %d of %d, want 4 of 4", last.N, last.Total)
	}
}

func TestEntrypointResetsInheritedCmd(t *testing.T) {
	k := newKitchen(t, nil)
	k.base("base", func(c *oci.ImageConfig) { c.Config.Cmd = []string{"sh"} })
	if got := k.build("FROM base\nENTRYPOINT [\"x\"]\n").Config.Config.Cmd; got != nil {
		t.Errorf("CMD of the base is still %q", got)
	}
	for range 2 { // and again from the cache
		if got := k.build("FROM base\nCMD [\"y\"]\nENTRYPOINT [\"x\"]\n").Config.Config.Cmd; !cmp.Equal(got, []string{"y"}) {
			t.Errorf("CMD of the stage is %q", got)
		}
	}
}

func TestWorkdir(t *testing.T) {
	k := copyKitchen(t)
	for _, c := range []struct{ dir, want string }{
		{"/", ""}, {"/etc", ""}, {"/lib", ""}, // nothing to make
		{"/new/dir", "0755 0:0 new/\n0755 0:0 new/dir/"},
		{"lib/x", "0755 0:0 usr/\n0755 0:0 usr/lib/\n0755 0:0 usr/lib/x/"},
	} {
		o := k.build("FROM base\nWORKDIR " + c.dir + "\n")
		got := ""
		if len(o.Layers) > 2 {
			got = k.top(o)
		}
		if got != c.want {
			t.Errorf("WORKDIR %s: layer %q, want %q", c.dir, got, c.want)
		}
	}
	if got, want := k.top(k.build("FROM base\nUSER app\nWORKDIR /new\n")), "0755 1000:1001 new/"; got != want {
		t.Errorf("as USER app: %s, want %s", got, want)
	}
}

// TestSteps: each step's image is in the store under its own ID, its manifest
// names the one below and the cache entry.
func TestSteps(t *testing.T) {
	k := articleKitchen(t)
	o := k.build(article)
	ctx := context.Background()
	d, below := o.manifest, k.bases["alpine"].Descriptor.Digest
	var ids []string
	for range 3 {
		i, err := image.Load(ctx, k.layout, d)
		if err != nil {
			t.Fatal(err)
		}
		ids = append([]string{i.ID().String()}, ids...)
		if _, err := os.Stat(filepath.Join(k.layout.Root(), "cache", i.CacheKey())); err != nil {
			t.Error(err)
		}
		d = oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: i.Parent()}
	}
	if d.Digest != below {
		t.Errorf("the lowest step is on %s, want the base %s", d.Digest, below)
	}
	for i, r := range o.results[1:] {
		if r.Image.String() != ids[i] {
			t.Errorf("step %d reported %s, stored %s", r.N, r.Image, ids[i])
		}
		if hasLayer := r.Layer != nil && r.Size > 0; hasLayer != (i < 2) {
			t.Errorf("step %d: layer %v, %d bytes", r.N, r.Layer, r.Size)
		}
	}
}

func TestLabels(t *testing.T) {
	k := articleKitchen(t)
	k.opt.Labels = map[string]string{"b": "$HOME 'x'", "a": "1"}
	o := k.build(article)
	if diff := cmp.Diff(k.opt.Labels, o.Config.Config.Labels); diff != "" {
		t.Error(diff)
	}
	if got := k.build(article).cached(); got != "cccc" {
		t.Errorf("cached: %s", got)
	}
}

// TestTimestamp: with a timestamp two builds in two stores are one image.
func TestTimestamp(t *testing.T) {
	var ids []string
	for _, how := range []string{"option", "argument", "argument"} {
		k := articleKitchen(t)
		k.write("young", "x")
		now := time.Now()
		if err := os.Chtimes(filepath.Join(k.context, "young"), now, now); err != nil {
			t.Fatal(err)
		}
		at := then.Add(time.Hour)
		if how == "option" {
			k.opt.Timestamp = &at
		} else {
			k.opt.Args = map[string]string{"SOURCE_DATE_EPOCH": "1580678420"}
		}
		o := k.build(article + "WORKDIR /new\n")
		if !o.Config.Created.Equal(at) || len(o.results[len(o.results)-1].Warnings) > 0 {
			t.Errorf("%s: created %v, %v", how, o.Config.Created, o.results)
		}
		ids = append(ids, o.ID().String())
	}
	if ids[0] != ids[1] || ids[1] != ids[2] {
		t.Errorf("three images: %v", ids)
	}
}

func TestFromOnly(t *testing.T) {
	k := articleKitchen(t)
	with := k.base("with-path", func(c *oci.ImageConfig) { c.Config.Env = []string{"PATH=/bin"} })
	if o := k.build("FROM with-path\n"); o.ID() != with.ID() || o.manifest.Digest != with.Descriptor.Digest {
		t.Error("FROM alone made another image")
	}
	o := k.build("FROM scratch\n")
	if o.results[0].Image != "" {
		t.Errorf("scratch has the ID %s", o.results[0].Image)
	}
	if diff := cmp.Diff([]string{"PATH=" + defaultPath}, o.Config.Config.Env); diff != "" {
		t.Error(diff)
	}
}

func TestRunOutputAndMissingRun(t *testing.T) {
	k := articleKitchen(t)
	if got, want := k.build("FROM alpine\nRUN one\n").output.String(), "Step 1/2 : FROM alpine\nStep 2/2 : RUN one\nrunning one\n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	_, _, err := Build(context.Background(), Options{Layout: k.layout, File: parse(t, "FROM scratch\nRUN x\n")})
	var located *dockerfile.Error
	if !errors.As(err, &located) || located.Line != 2 || !strings.Contains(err.Error(), "RUN needs Linux") {
		t.Errorf("without a RunFunc: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	k := articleKitchen(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := Build(ctx, Options{Layout: k.layout, File: parse(t, "FROM scratch\nENV a=b\n")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestNarration: every input of a key is told, and why the cache missed.
func TestNarration(t *testing.T) {
	k := articleKitchen(t)
	k.build(article)
	k.write("run.sh", script+"exit\n")
	var out bytes.Buffer
	_, _, err := Build(explain.With(context.Background(), explain.Text(&out)), Options{
		Layout: k.layout, Context: k.context, File: parse(t, article), Run: k.run,
		Base: func(context.Context, string) (*image.Found, error) { return k.bases["alpine"], nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"build stage 0", "step 1: FROM alpine", "instruction = RUN [\"/bin/sh\" \"-c\" \"apk update\"]", "env PATH = " + defaultPath,
		"workdir = /", "cached: image ", "instruction = COPY . /app", "file run.sh = 0755 0:0 ", "not cached: changed run.sh",
		"not cached: it comes after a step that was not"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the narration does not tell %q:\n%s", want, out.String())
		}
	}
}

func parse(t *testing.T, text string) *dockerfile.File {
	t.Helper()
	f, err := dockerfile.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
