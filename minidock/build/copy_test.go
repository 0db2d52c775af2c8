package build

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/image"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/oci"
)

// copyKitchen has a context and a base with the cases that COPY distinguishes.
func copyKitchen(t *testing.T) *kitchen {
	k := newKitchen(t, map[string]string{
		"a.txt": "A", "b.txt": "B", "run.sh": script,
		"app/main": "M", "app/sub/deep": "D", "app/empty/": "", "app/link": "-> main",
		"to-a": "-> a.txt", "to-app": "-> app", "abs": "-> /a.txt", "out": "-> ../../../etc/passwd", "host": "-> /etc",
	})
	base := k.layer([]layer.Entry{
		dir("etc"), file("etc/passwd"), file("etc/group"), dir("usr"), dir("usr/lib"), link("lib", "usr/lib"),
		link("dangling", "usr/new/place"), {Name: "tmp", Type: layer.TypeDir, Mode: 0o1777, ModTime: then}, file("plain"),
	}, map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n",
		"etc/group":  "root:x:0:\nwww:x:33:app\n",
	})
	f := k.base("base", nil)
	f.Image = f.Image.Append(base, f.Config.History[0])
	return k
}

// TestCopy: what the layer of one COPY holds.
func TestCopy(t *testing.T) {
	for _, c := range []struct{ instruction, want string }{
		{"COPY a.txt /b", "0644 0:0 b A"},
		{"COPY a.txt /new/dir/", "0755 0:0 new/|0755 0:0 new/dir/|0644 0:0 new/dir/a.txt A"},
		{"COPY a.txt /new/b", "0755 0:0 new/|0644 0:0 new/b A"},
		{"COPY a.txt /etc", "0755 0:0 etc/|0644 0:0 etc/a.txt A"},
		{"COPY a.txt /plain", "0644 0:0 plain A"},
		{"COPY a.txt /tmp/", "1777 0:0 tmp/|0644 0:0 tmp/a.txt A"},                             // attributes of /tmp are kept
		{"COPY a.txt /lib/", "0755 0:0 usr/|0755 0:0 usr/lib/|0644 0:0 usr/lib/a.txt A"},       // through the link
		{"COPY a.txt /dangling", "0755 0:0 usr/|0755 0:0 usr/new/|0644 0:0 usr/new/place A"},   // where the link points
		{"COPY a.txt /../../x", "0644 0:0 x A"},                                                // the root is the end
		{"COPY a.txt b.txt /d/", "0755 0:0 d/|0644 0:0 d/a.txt A|0644 0:0 d/b.txt B"},          //
		{"COPY *.txt /d/", "0755 0:0 d/|0644 0:0 d/a.txt A|0644 0:0 d/b.txt B"},                //
		{"COPY ?.tx[st] /d/", "0755 0:0 d/|0644 0:0 d/a.txt A|0644 0:0 d/b.txt B"},             //
		{"COPY app /d", appIn("d")},                                                            // contents, not the directory
		{"COPY app/ /d/", appIn("d")},                                                          //
		{"COPY ./app/. d", appIn("d")},                                                         // relative: WORKDIR is /
		{"COPY to-app /d", appIn("d")},                                                         // a source that is a link is followed
		{"COPY to-a /d/", "0755 0:0 d/|0644 0:0 d/to-a A"},                                     // under its own name
		{"COPY abs /x", "0644 0:0 x A"},                                                        // "/" is the context
		{"COPY ../../a.txt /x", "0644 0:0 x A"},                                                // ".." ends there
		{"COPY app/s*/deep /x", "0644 0:0 x D"},                                                //
		{`COPY ["a.txt", "/with blank/"]`, "0755 0:0 with blank/|0644 0:0 with blank/a.txt A"}, //
		{"COPY --chown=1 a.txt /d/", "0755 1:1 d/|0644 1:1 d/a.txt A"},                         // what is made on the way, too
		{"COPY --chown=1:2 a.txt /x", "0644 1:2 x A"},                                          //
		{"COPY --chown=app a.txt /x", "0644 1000:1001 x A"},                                    // the user's own group
		{"COPY --chown=app:www a.txt /etc/", "0755 0:0 etc/|0644 1000:33 etc/a.txt A"},         // what was there keeps its owner
		{"COPY --chown=:33 a.txt /x", "0644 0:33 x A"},                                         //
		{"COPY --chown=app: a.txt /x", "0644 1000:1001 x A"},                                   //
		{"COPY --from= a.txt /x", "0644 0:0 x A"},                                              // the context
		{"COPY --from=scratch / /d", "0755 0:0 d/"},                                            //
		{"COPY app/sub app/empty app/sub /d", "0755 0:0 d/|0644 0:0 d/deep D"},                 // what they hold, without a slash
		{"COPY --chmod=751 app/sub /d", "0755 0:0 d/|0751 0:0 d/deep D"},                       //
		{"COPY --exclude=sub --exclude=l* app /d", "0755 0:0 d/|0755 0:0 d/empty/|0644 0:0 d/main M"},
		{"COPY <<x /d/\nhello \"$HOSTNAME\"\nx", "0755 0:0 d/|0644 0:0 d/x hello \"\"\n"},
		{"COPY <<'x' /y\n$a\nx", "0644 0:0 y $a\n"},
		{"COPY --chmod=go-r --chown=7 <<a <<-b /d/\nA\na\n\tB\n\tb", "0755 7:7 d/|0600 7:7 d/a A\n|0600 7:7 d/b B\n"},
		{"COPY --chmod=u=rwX,go=rX app /d", appIn("d")},
		{"COPY --chmod=+x,o-rwx app/sub /d/s", "0755 0:0 d/|0755 0:0 d/s/|0750 0:0 d/s/deep D"},
		{"COPY --chmod=a-x app/ /d/", strings.NewReplacer("0755 0:0 d/empty", "0644 0:0 d/empty", "0755 0:0 d/sub", "0644 0:0 d/sub").Replace(appIn("d"))},
		{"ADD a.txt /b", "0644 0:0 b A"},
		{"COPY --link a.txt /", "0644 0:0 a.txt A"},
		{"COPY --link app/sub .", "0644 0:0 deep D"},
		{"COPY --link a.txt /new/", "0755 0:0 new/|0644 0:0 new/a.txt A"},
		{"COPY --link a.txt /lib/", "0755 0:0 lib/|0644 0:0 lib/a.txt A"}, // not through the link
		{"COPY --link a.txt /tmp/", "0755 0:0 tmp/|0644 0:0 tmp/a.txt A"}, // whatever /tmp was
		{"COPY --link --chown=app a.txt /d/", "0755 1000:1001 d/|0644 1000:1001 d/a.txt A"},
		{"COPY --parents app/sub/deep /d", "0755 0:0 d/|0755 0:0 d/app/|0755 0:0 d/app/sub/|0644 0:0 d/app/sub/deep D"},
		{"COPY --parents app/./sub/deep /d", "0755 0:0 d/|0755 0:0 d/sub/|0644 0:0 d/sub/deep D"},
		{"COPY --parents app/sub/./deep a.txt /d/", "0755 0:0 d/|0644 0:0 d/a.txt A|0644 0:0 d/deep D"},
		{"COPY --parents ./app/./ /d", appIn("d")},
		{"COPY --parents **/deep *.txt /d/", "0755 0:0 d/|0644 0:0 d/a.txt A|0755 0:0 d/app/|0755 0:0 d/app/sub/|0644 0:0 d/app/sub/deep D|0644 0:0 d/b.txt B"},
		{"COPY --parents a*/./**/deep /d/", "0755 0:0 d/|0755 0:0 d/sub/|0644 0:0 d/sub/deep D"},
		{"COPY --parents a*/./** /d/", appIn("d")},
		{"COPY --parents --exclude=**/deep --exclude=app/[el]* app /d/", "0755 0:0 d/|0755 0:0 d/app/|0644 0:0 d/app/main M|0755 0:0 d/app/sub/"},
		{"COPY --parents --exclude=* --exclude=!**/deep app /d/", "0755 0:0 d/|0755 0:0 d/app/|0755 0:0 d/app/sub/|0644 0:0 d/app/sub/deep D"},
		{"COPY --parents nothing*/x /d/", "0755 0:0 d/"},
		{"COPY --parents app/link /d/", "0755 0:0 d/|0755 0:0 d/app/|0777 0:0 d/app/link -> main"}, // the link itself
	} {
		t.Run(c.instruction, func(t *testing.T) {
			k := copyKitchen(t)
			got := k.top(k.build("FROM base\n" + c.instruction + "\n"))
			if diff := cmp.Diff(strings.ReplaceAll(c.want, "|", "\n"), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func appIn(d string) string {
	return strings.ReplaceAll("0755 0:0 D/|0755 0:0 D/empty/|0777 0:0 D/link -> main|0644 0:0 D/main M|0755 0:0 D/sub/|0644 0:0 D/sub/deep D", "D/", d+"/")
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// TestCopyErrors: each is an error of line 2 that says what is wrong.
func TestCopyErrors(t *testing.T) {
	const missing = "COPY failed: file not found in build context or excluded by .dockerignore: stat "
	for _, c := range []struct{ instruction, want string }{
		{"COPY missing /x", missing + "missing: file does not exist"},
		{"COPY a.txt/x /x", missing + "a.txt/x: file does not exist"},
		{"COPY ignored /x", missing + "ignored: file does not exist"},
		{"COPY out /x", missing + "out: file does not exist"}, // the context has no etc/passwd
		{"COPY host/passwd /x", missing + "host/passwd: file does not exist"},
		{"COPY a.txt b.txt /x", "When using COPY with more than one source file, the destination must be a directory and end with a /"},
		{"COPY app/sub a.txt /x", "When using COPY with more than one source file"},
		{"COPY --chown=: a.txt /x", `invalid owner ":": want user or user:group`},
		{"COPY app /plain", "cannot copy into /plain: it is not a directory in the image"},
		{"COPY a.txt /plain/x", "not a directory"},
		{"COPY app/sub /usr/\nCOPY --chown=nobody a.txt /x", "unable to find user nobody: no matching entries in /etc/passwd of the image"},
		{"COPY --chown=1:nogroup a.txt /x", "unable to find group nogroup"},
		{"COPY --exclude=[ a.txt /x", "invalid --exclude=[: syntax error in pattern"},
		{"COPY --exclude=! a.txt /x", "invalid --exclude=!: illegal exclusion pattern: \"!\""},
		{"COPY --chmod=64a a.txt /x", "invalid chmod parameter: '64a'. it should be octal string and between 0 and 07777"},
		{"COPY --chmod=u=q a.txt /x", "invalid chmod parameter: 'u=q'"},
		{"COPY --from=nowhere a /x", "No such image: nowhere"},
		{"COPY --from=base missing /x", "COPY failed: stat missing: file does not exist"},
		{"COPY --from=$x a /x", "variable expansion is not supported for --from"},
		{"COPY --parents app/missing /x", missing + "app/missing: file does not exist"},
		{"COPY --parents nowhere/./*.txt /x", missing + "nowhere/*.txt: file does not exist"},
		{"COPY https://example.com/x /x", "source can't be a URL for COPY"},
		{"ADD --checksum=sha256:01234567 https://example.com/x /x", "invalid checksum"},
		{"ADD --checksum=sha256:" + zeros + " https://example.com/x a.txt /x/", "checksum can't be specified for multiple sources"},
		{"ADD --checksum=sha256:" + zeros + " a.txt /x", "checksum can't be specified for non-HTTP(S) sources"},
		{"ADD https:///x /x", "it names no host"},
		{"ADD git@example.com:a/b.git /x", "ADD of a Git repository is not supported: clone it"},
		{"ADD https://example.com/a.git#main /x", "ADD of a Git repository is not supported: clone it"},
		{"ADD --keep-git-dir=true a.txt /x", "ADD of a Git repository is not supported: clone it"},
		{"COPY [a-.txt /x/", "syntax error in pattern"},
		{"COPY conflict /", "cannot copy a directory to /plain: it is not a directory in the image"},
		{"COPY conflict2 /", "cannot copy a file to /usr: it is a directory in the image"},
	} {
		t.Run(c.instruction, func(t *testing.T) {
			k := copyKitchen(t)
			k.write("ignored", "x")
			k.write("conflict/plain/x", "x")
			k.write("conflict2/usr", "x")
			k.ignore = "ignored"
			_, err := k.try("FROM base\n" + c.instruction + "\n")
			var located *dockerfile.Error
			if !errors.As(err, &located) {
				t.Fatalf("error %v, want a *dockerfile.Error", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q", err, c.want)
			}
			if located.Line < 2 || !strings.HasPrefix(located.Text, "COPY") && !strings.HasPrefix(located.Text, "ADD") {
				t.Errorf("line %d, text %q", located.Line, located.Text)
			}
		})
	}
}

// TestCopyTimes: the image keeps the files' times, and directories that are
// made on the way have that of the youngest, so equal trees are equal layers.
// Fractions of a second are left out.
func TestCopyTimes(t *testing.T) {
	k := copyKitchen(t)
	first := k.build("FROM base\nCOPY app/sub /new/\n")
	k.opt.NoCache = true
	if err := os.Chtimes(filepath.Join(k.context, "app/sub/deep"), then, then.Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	second := k.build("FROM base\nCOPY app/sub /new/\n")
	if a, b := first.Layers[2].DiffID, second.Layers[2].DiffID; a != b {
		t.Errorf("the same files gave the layers %s and %s", a, b)
	}
}

// TestContextIsNotLeft: whatever links there are, nothing from outside the
// context gets into an image.
func TestContextIsNotLeft(t *testing.T) {
	k := newKitchen(t, nil)
	secret := filepath.Join(filepath.Dir(k.context), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	k.write("up", "-> ../secret")
	k.write("abs", "-> "+secret)
	k.write("loop", "-> loop")
	k.write("dir", "-> ..")
	for _, source := range []string{"up", "abs", "loop", "dir/secret", "../secret", "..//secret", "/../secret"} {
		if _, err := k.try("FROM scratch\nCOPY " + source + " /x\n"); err == nil {
			t.Errorf("COPY %s: no error", source)
		}
	}
	for line := range strings.Lines(k.top(k.build("FROM scratch\nCOPY . /\n"))) {
		if !strings.Contains(line, " -> ") {
			t.Errorf("COPY . copied %s", line)
		}
	}
}

func TestCopyFromImage(t *testing.T) {
	k := copyKitchen(t)
	// The second layer hides a file of the first, replaces another, and has a hard
	// link to one which is a hard link there.
	lower := k.layer([]layer.Entry{
		dir("app"), {Name: "app/mine", Type: layer.TypeReg, Mode: 0o4755, UID: 7, GID: 8, ModTime: then}, file("app/old"),
		{Name: "app/twin", Type: layer.TypeLink, Linkname: "app/mine", ModTime: then}, link("app/link", "mine"), link("current", "app"),
	}, map[string]string{"app/mine": "mine", "app/old": "old"})
	upper := k.layer([]layer.Entry{
		dir("app"), file("app/old"), file("app/.gone"), {Name: "app/up", Type: layer.TypeLink, Linkname: "app/twin", ModTime: then},
	}, map[string]string{"app/old": "new"})
	f := k.base("tool", nil)
	row := f.Config.History[0]
	f.Image = f.Image.Append(lower, row).Append(upper, row)
	const all = "0755 0:0 d/|0644 0:0 d/.gone|0777 0:0 d/link -> mine|4755 7:8 d/mine mine|0644 0:0 d/old new|4755 7:8 d/twin = d/mine|4755 7:8 d/up = d/mine"
	for _, c := range []struct{ text, want string }{
		{"FROM scratch\nCOPY --from=tool /app /d\n", all},
		{"FROM scratch\nCOPY --from=tool current/ /d\n", all},
		{"FROM scratch\nCOPY --from=tool /current/link /x\n", "4755 7:8 x mine"},
		{"FROM scratch\nCOPY --from=tool --chown=0 /app/m* /x\n", "4755 0:0 x mine"},
		{"FROM tool AS first\nFROM scratch\nCOPY --from=first app/old /x\n", "0644 0:0 x new"},
		{"FROM tool\nFROM scratch\nCOPY --from=0 app/old /x\n", "0644 0:0 x new"},
	} {
		o := k.build(c.text)
		if diff := cmp.Diff(strings.ReplaceAll(c.want, "|", "\n"), k.top(o)); diff != "" {
			t.Errorf("%s%s", c.text, diff)
		}
		if got := k.build(c.text).cached(); got != "c" {
			t.Errorf("%ssecond build: %s", c.text, got)
		}
	}
}

func TestIgnored(t *testing.T) {
	for _, c := range []struct{ patterns, want string }{
		{"", "a|b/|b/c|b/d|e"},
		{"b", "a|e"},
		{"*", ""},
		{"b/c\ne", "a|b/|b/d"},
		{"b\n!b/d", "a|b/|b/d|e"},
		{"*\n!b/c", "b/|b/c"},
		{"*\n!nothing", ""},
		{"**/c", "a|b/|b/d|e"},
	} {
		k := newKitchen(t, map[string]string{"a": "", "b/c": "", "b/d": "", "e": ""})
		k.ignore = c.patterns
		var names []string
		for _, line := range strings.Split(k.top(k.build("FROM scratch\nCOPY . /\n")), "\n") {
			if f := strings.Fields(line); len(f) > 2 {
				names = append(names, f[2])
			}
		}
		if got := strings.Join(names, "|"); got != c.want {
			t.Errorf("%q: %s, want %s", c.patterns, got, c.want)
		}
	}
}

// TestCompressedLayer: a pulled image has its layers compressed.
func TestCompressedLayer(t *testing.T) {
	k := newKitchen(t, nil)
	plain := k.layer([]layer.Entry{dir("etc"), file("etc/passwd"), file("tool")},
		map[string]string{"etc/passwd": "app:x:5:6::/:/bin/sh\n", "tool": "T"})
	archive, err := os.ReadFile(k.layout.Blobs().Path(plain.Descriptor.Digest))
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(archive)
	z.Close()
	d, err := k.layout.Blobs().PutBytes(context.Background(), packed.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	f := k.base("pulled", nil)
	f.Image = f.Append(image.Layer{DiffID: plain.DiffID, Descriptor: oci.Descriptor{
		MediaType: oci.MediaTypeLayerGzip, Digest: d, Size: int64(packed.Len()),
	}}, f.Config.History[0])
	o := k.build("FROM pulled\nCOPY --from=pulled --chown=app /tool /etc/\n")
	if got, want := k.top(o), "0755 0:0 etc/\n0644 5:6 etc/tool T"; got != want {
		t.Errorf("layer %q, want %q", got, want)
	}
}
