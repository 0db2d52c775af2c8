package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/layer"
)

// skopeo runs it, with no policy about who may have signed what.
func skopeo(t *testing.T, args ...string) {
	t.Helper()
	command(t, append([]string{"skopeo", "--insecure-policy"}, args...)...)
}

func testSkopeo(t *testing.T, x *exchange) {
	need(t, "skopeo")
	t.Run("reads the store", func(t *testing.T) {
		x.skopeoReads(t, "oci:"+x.home.root+":", true)
	})
	t.Run("reads what was saved", func(t *testing.T) {
		for _, test := range []struct{ transport, format, compress string }{
			{"docker-archive", "docker-archive", ""},
			{"docker-archive", "docker-archive", "gzip"},
			{"oci-archive", "oci-archive", ""},
			{"oci-archive", "oci-archive", "none"},
			{"oci-archive", "oci-archive", "gzip"},
			{"oci-archive", "oci-archive", "zstd"},
			{"oci", "oci-dir", ""},
			{"oci", "oci-dir", "zstd"},
		} {
			t.Run(test.format+" "+test.compress, func(t *testing.T) {
				saved := x.home.save(t, test.format, test.compress, imageNames()...)
				x.skopeoReads(t, test.transport+":"+saved+":", test.transport != "docker-archive" && test.compress == "")
			})
		}
	})
	t.Run("writes what can be loaded", func(t *testing.T) { x.skopeoWrites(t) })
	t.Run("writes into the store", func(t *testing.T) {
		s := x.newStore(t)
		s.run(t, "images") // makes the store
		for _, name := range imageNames() {
			skopeo(t, "copy", "oci:"+x.home.root+":"+name, "oci:"+s.root+":"+name)
		}
		skopeo(t, "copy", "oci:"+s.root+":"+sixty, "oci:"+s.root+":other:tag")
		s.expect(t, "other:tag", x.want[sixty], false)
		s.expectAll(t, x, imageNames()...)
	})
}

// skopeoReads copies each image to a plain directory and looks at the blobs.
func (x *exchange) skopeoReads(t *testing.T, from string, sameManifest bool) {
	t.Helper()
	for _, name := range imageNames() {
		dir := filepath.Join(t.TempDir(), "copy")
		skopeo(t, "copy", from+name, "dir:"+dir)
		checkCopy(t, dir, x.want[name], sameManifest)
	}
}

// checkCopy reads a directory of skopeo's: manifest.json, and each blob under
// its hash.
func checkCopy(t *testing.T, dir string, want facts, sameManifest bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	decode(t, string(raw), &manifest)
	if id := digest.FromBytes(raw).String(); sameManifest && id != want.Manifest {
		t.Errorf("the manifest is %s, was %s", id, want.Manifest)
	}
	if manifest.Config.Digest != want.ID {
		t.Errorf("the image is %s, was %s", manifest.Config.Digest, want.ID)
	}
	var diffIDs []string
	for _, blob := range manifest.Layers {
		diffIDs = append(diffIDs, diffIDOf(t, filepath.Join(dir, strings.TrimPrefix(blob.Digest, "sha256:"))))
	}
	if diff := cmp.Diff(want.DiffIDs, diffIDs); diff != "" {
		t.Errorf("layers:\n%s", diff)
	}
}

func diffIDOf(t *testing.T, path string) string {
	t.Helper()
	blob, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	plain, err := layer.Decompress(blob)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, plain); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil))
}

// skopeoWrites lets skopeo write the images in each form that it has, and loads
// them. Docker's form holds minidock's configuration byte for byte. On the way
// back to OCI's skopeo would drop what is docker's own in it (HEALTHCHECK,
// ONBUILD, SHELL), and the ID would be another one: nothing that can be had.
func (x *exchange) skopeoWrites(t *testing.T) {
	for _, test := range []struct {
		name, to string // %: a path that ends in the image's name
		options  []string
	}{
		{"oci", "oci:%", nil},
		{"oci zstd", "oci:%", []string{"--dest-compress-format", "zstd"}},
		{"oci-archive", "oci-archive:%", nil},
		{"oci-archive zstd", "oci-archive:%", []string{"--dest-compress-format", "zstd"}},
		{"oci-archive gzip", "oci-archive:%", []string{"--dest-compress-format", "gzip", "--dest-compress-level", "1"}},
		{"docker-archive", "docker-archive:%", nil},
		{"docker-archive v2s2", "docker-archive:%", []string{"--format", "v2s2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, dir := x.newStore(t), t.TempDir()
			names := imageNames()
			if test.options != nil {
				names = names[:1]
			}
			for i, name := range names {
				file := filepath.Join(dir, string(rune('a'+i)))
				if test.to == "oci:%" {
					file = filepath.Join(dir, "all") // it takes several
				}
				options := append([]string{"copy"}, test.options...)
				skopeo(t, append(options, "oci:"+x.home.root+":"+name, strings.ReplaceAll(test.to, "%", file)+":"+name)...)
				if test.to != "oci:%" {
					s.load(t, file)
				}
			}
			if test.to == "oci:%" {
				s.load(t, filepath.Join(dir, "all"))
			}
			if test.options == nil {
				s.expectAll(t, x, names...)
				return
			}
			s.expect(t, difficult, x.want[difficult], false)
			s.verify(t)
		})
	}
	t.Run("several names", func(t *testing.T) {
		s, file := x.newStore(t), filepath.Join(t.TempDir(), "archive")
		skopeo(t, "copy", "--additional-tag", another, "--additional-tag", "third:x", "oci:"+x.home.root+":"+difficult, "docker-archive:"+file+":"+difficult)
		s.load(t, file)
		for _, name := range []string{difficult, another, "third:x"} {
			s.expect(t, name, x.want[difficult], false)
		}
	})
	// Once the layers are compressed there is nothing left to change.
	t.Run("there and back", func(t *testing.T) {
		s, dir := x.newStore(t), t.TempDir()
		s.load(t, x.home.save(t, "oci-archive", "gzip", difficult))
		want := s.facts(t, difficult)
		skopeo(t, "copy", "oci:"+s.root+":"+difficult, "oci-archive:"+dir+"/archive:"+difficult)
		again := x.newStore(t)
		again.load(t, dir+"/archive")
		again.expect(t, difficult, want, true)
	})
}

// save writes images as one archive or directory and returns its path.
func (s store) save(t *testing.T, format, compress string, names ...string) string {
	t.Helper()
	file := filepath.Join(scratch(t), "saved") // podman knows a directory by its name, and wants it in lower case
	args := []string{"save", "-o", file}
	if format != "" {
		args = append(args, "--format", format)
	}
	if compress != "" {
		args = append(args, "--compress", compress)
	}
	s.run(t, append(args, names...)...)
	return file
}

func (s store) load(t *testing.T, path string) string {
	t.Helper()
	return s.run(t, "load", "-i", path)
}
