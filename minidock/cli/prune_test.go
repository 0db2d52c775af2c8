package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/docker/go-units"

	"minidock.dev/minidock/oci"
)

func names(t *testing.T, root string) string {
	t.Helper()
	out, _, _ := minidock(t, root, "", "images", "--format", "{{.Repository}}")
	return strings.Join(strings.Fields(out), " ")
}

func TestPruneFilters(t *testing.T) {
	for flags, want := range map[string]string{
		"":                                       "c b a",
		"-a":                                     "",
		"-a --filter until=2024-01-01T02:30:00Z": "c <none>",
		"-a --filter label=keep":                 "c <none> b",
		"-a --filter label!=keep":                "a",
		"-a --filter label=keep=no":              "c <none> b a",
		"--filter dangling=false":                "",
		"--filter until=2024-01-01T02:30:00Z":    "c <none> b a",
	} {
		root := t.TempDir()
		makeImage(t, root, "a", "01", "FROM scratch\nLABEL keep=yes\n")
		makeImage(t, root, "b", "02", "FROM scratch\nLABEL b=1\n")
		makeImage(t, root, "c", "03", "FROM scratch\nLABEL c=1\n")
		makeImage(t, root, "c", "04", "FROM scratch\nLABEL c=2\n")
		ok(t, root, append([]string{"image", "prune", "-f"}, strings.Fields(flags)...)...)
		if got := names(t, root); got != want {
			t.Errorf("image prune %s leaves %q, want %q", flags, got, want)
		}
		validateAll(t, root)
	}
	_, stderr, code := minidock(t, t.TempDir(), "", "image", "prune", "-f", "--filter", "size=1")
	if stderr != "Error response from daemon: invalid filter 'size'\n" || code != 1 {
		t.Errorf("an unknown filter: %d, %q", code, stderr)
	}
}

// TestPruneTexts holds what docker prints.
func TestPruneTexts(t *testing.T) {
	root := t.TempDir()
	makeImage(t, root, "a", "01", "FROM scratch\nLABEL a=1\nENV B=2\n")
	for args, want := range map[string]string{
		"image prune":    "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ",
		"image prune -a": "WARNING! This will remove all images without at least one container associated to them.\nAre you sure you want to continue? [y/N] ",
		"builder prune":  "WARNING! This will remove all dangling build cache.\nAre you sure you want to continue? [y/N] ",
		"system prune --filter until=24h": "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n" +
			"  - all dangling images\n  - unused build cache\n\n  Items to be pruned will be filtered with:\n  - until=24h\n\nAre you sure you want to continue? [y/N] ",
	} {
		if got, _, code := minidock(t, root, "n\n", strings.Fields(args)...); got != want || code != 0 {
			t.Errorf("%s prints %q, want %q", args, got, want)
		}
	}
	id := strings.TrimSpace(ok(t, root, "images", "-q", "--no-trunc", "a"))
	parent := strings.TrimSpace(ok(t, root, "inspect", "-f", "{{.Parent}}", "a"))
	out, _, _ := minidock(t, root, "y\n", "image", "prune", "--all")
	_, out, _ = strings.Cut(out, "[y/N] ")
	want := "Deleted Images:\nuntagged: a:latest\ndeleted: " + id + "\ndeleted: " + parent + "\n\nTotal reclaimed space: "
	if !strings.HasPrefix(out, want) {
		t.Errorf("image prune prints %q, want %q", out, want)
	}
	if out, stderr, code := minidock(t, root, "", "system", "prune", "-f", "--volumes"); out != "Total reclaimed space: 0B\n" || !strings.Contains(stderr, "no volumes yet") || code != 0 {
		t.Errorf("prune --volumes: %q, %q, %d", out, stderr, code)
	}
}

// reclaimed is the number in the last line of a prune.
func reclaimed(t *testing.T, out string) int64 {
	t.Helper()
	found := regexp.MustCompile(`Total reclaimed space: (\S+)\n$`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("prune prints %q", out)
	}
	n, err := units.FromHumanSize(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPruneReclaims compares what prune says with what the disk has got back.
func TestPruneReclaims(t *testing.T) {
	root := t.TempDir()
	shared, own := strings.Repeat("s", 300_000), strings.Repeat("o", 700_000)
	makeLayers(t, root, "base", shared)
	makeLayers(t, root, "app", shared, own)
	before := diskUsage(root)
	out := ok(t, root, "image", "prune", "-f")
	if n := reclaimed(t, out); n != 0 {
		t.Errorf("nothing is dangling, and prune frees %d", n)
	}
	ok(t, root, "tag", "base", "app")
	out = ok(t, root, "image", "prune", "-f")
	if lines := strings.Count(out, "deleted: "); lines != 2 { // the image and one of its layers; base is the image between
		t.Errorf("prune prints %q", out)
	}
	freed := before - diskUsage(root)
	if n := reclaimed(t, out); n < 700_000 || n > 720_000 || freed-n > 20_000 || n-freed > 20_000 {
		t.Errorf("prune says %d, the disk %d", n, freed)
	}
	validateAll(t, root)
}

// TestPruneUnpacked counts unpacked layers and litter.
func TestPruneUnpacked(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("for others prune starts the program again, which is no test")
	}
	root := t.TempDir()
	makeLayers(t, root, "app", "1")
	for _, file := range []string{"layers/" + strings.Repeat("a", 64) + "/file", "tmp/left/file"} {
		file = filepath.Join(root, file)
		os.MkdirAll(filepath.Dir(file), 0o700)
		if err := os.WriteFile(file, make([]byte, 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := reclaimed(t, ok(t, root, "image", "prune", "-f")); n < 200_000 || n > 240_000 {
		t.Errorf("prune says %d", n)
	}
}

func TestBuilderPrune(t *testing.T) {
	root := t.TempDir()
	dir := contextDir(t, map[string]string{
		"Dockerfile": "FROM scratch AS big\nCOPY big /\nFROM scratch\nCOPY --from=big /big /small\nLABEL a=1\n", "big": strings.Repeat("b", 500_000),
	})
	ok(t, root, "build", "-q", "-t", "app", dir)
	out := ok(t, root, "system", "df")
	wantLines(t, out, `^TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE$`, `^Images          1         0         500kB     500kB \(100%\)$`,
		`^Containers      0         0         0B        0B$`, `^Local Volumes   0         0         0B        0B$`, `^Build Cache     4         0         50\d\.?\dkB   50\d\.?\dkB$`)
	out = ok(t, root, "builder", "prune", "-f")
	wantLines(t, out, "^Deleted build cache objects:$", "^[0-9a-f]{64}$", "^$", "^Total reclaimed space: ")
	if n := reclaimed(t, out); n < 500_000 || n > 510_000 {
		t.Errorf("builder prune says %d", n)
	}
	if got := ok(t, root, "build", "-t", "app", dir); strings.Count(got, "Using cache") != 2 {
		t.Errorf("the next build does not find the steps of the image that is there:\n%s", got)
	}
	ok(t, root, "builder", "prune", "-af")
	if left, _ := os.ReadDir(filepath.Join(root, "cache")); len(left) != 0 {
		t.Errorf("builder prune -a leaves %v", left)
	}
	if got := names(t, root); got != "app" {
		t.Errorf("builder prune leaves the images %q", got)
	}
	validateAll(t, root)
}

// TestPruneDamaged: one damaged image does not keep the others from going, and what
// may be its own stays.
func TestPruneDamaged(t *testing.T) {
	for _, kind := range []string{"manifest", "config"} {
		root := t.TempDir()
		makeLayers(t, root, "bad", "1")
		makeLayers(t, root, "good", strings.Repeat("2", 100_000))
		hash := strings.TrimSpace(ok(t, root, "images", "-q", "--no-trunc", "bad"))
		if kind == "manifest" {
			hash = strings.TrimSpace(ok(t, root, "inspect", "-f", "{{.Descriptor.Digest}}", "bad"))
		}
		spoil(t, root, hash)
		out, stderr, code := minidock(t, root, "", "image", "prune", "-af")
		if !strings.Contains(out, "untagged: good:latest\n") || code != 1 || !strings.Contains(stderr, "left in place: ") {
			t.Errorf("damaged %s: %d, %q, %q", kind, code, out, stderr)
		}
		if kind == "config" && reclaimed(t, out) < 100_000 {
			t.Errorf("damaged config: %q", out)
		}
		if out, _, _ := minidock(t, root, "", "system", "df"); !strings.Contains(out, "\nImages ") {
			t.Errorf("damaged %s: system df prints %q", kind, out)
		}
	}
}

// TestPruneTwoManifests: all names of an image go with it, also one that leads to
// another manifest for it, as another tool makes them.
func TestPruneTwoManifests(t *testing.T) {
	root, images, l := storeWith(t, "a:1")
	b, err := l.Blobs().ReadBytes(images["a:1"].Descriptor.Digest, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	d, err := l.Blobs().PutBytes(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Tag(t.Context(), "b:1", "docker.io/library/b:1", oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d, Size: int64(len(b))}); err != nil {
		t.Fatal(err)
	}
	out := ok(t, root, "image", "prune", "-af")
	if !strings.HasPrefix(out, "Deleted Images:\nuntagged: a:1\nuntagged: b:1\ndeleted: "+images["a:1"].ID().String()+"\ndeleted: "+images["a:1"].DiffIDs()[0].String()+"\n") || names(t, root) != "" {
		t.Errorf("prune prints %q and leaves %q", out, names(t, root))
	}
}

// TestSharedSizes: the unique sizes and each shared layer once are all there is.
func TestSharedSizes(t *testing.T) {
	root := t.TempDir()
	base, own, other := strings.Repeat("b", 1000), strings.Repeat("o", 100), strings.Repeat("p", 10)
	makeLayers(t, root, "base", base)
	makeLayers(t, root, "one", base, own)
	makeLayers(t, root, "two", base, other)
	got := ok(t, root, "system", "df", "-v", "--format", "{{range .Images}}{{.Repository}} {{.Size}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}}\n{{end}}")
	for _, want := range []string{"base 1kB 1kB 0B 0\n", "one 1.1kB 1kB 100B 0\n", "two 1.01kB 1kB 10B 0\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("system df -v has no %q:\n%s", want, got)
		}
	}
	if got := ok(t, root, "system", "df", "--format", "{{.Size}}"); !strings.HasPrefix(got, "1.11kB\n") {
		t.Errorf("the total is %q", got)
	}
	wantLines(t, ok(t, root, "system", "df", "-v"), "^Images space usage:$", "^$",
		"^REPOSITORY   TAG       IMAGE ID       CREATED        SIZE      SHARED SIZE   UNIQUE SIZE   CONTAINERS$",
		"^$", "^Containers space usage:$", "^CONTAINER ID   IMAGE     COMMAND   LOCAL VOLUMES   SIZE      CREATED   STATUS    NAMES$",
		"^Local Volumes space usage:$", "^VOLUME NAME   LINKS     SIZE$", "^Build cache usage: ",
		"^CACHE ID       CACHE TYPE   SIZE      CREATED  +LAST USED   USAGE     SHARED$")
}
