package build

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/source"
)

// A server has a few files, and counts how often it was asked.
type server struct {
	*httptest.Server
	asked   atomic.Int64
	content atomic.Pointer[string] // of /dir/file.txt
}

func newServer(t *testing.T) *server {
	s := &server{}
	s.set("hello")
	mux := http.NewServeMux()
	mux.HandleFunc("/dir/file.txt", func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		w.Header().Set("Last-Modified", then.Format(http.TimeFormat))
		fmt.Fprint(w, *s.content.Load())
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "index") })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/dir/file.txt", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/a.tar.gz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, gzipped(pack(t, "f=F"))) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "too little")
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) set(content string) { s.content.Store(&content) }

// TestAddURL: where a download goes, and what it looks like. Each build leaves nothing
// behind in the store's directory for temporary files.
func TestAddURL(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct{ instruction, want string }{
		{"ADD URL/dir/file.txt /x", "0600 0:0 x hello"},
		{"ADD URL/dir/file.txt /x/", "0755 0:0 x/\n0600 0:0 x/file.txt hello"},
		{"ADD URL/dir/file.txt?a=b#c /etc", "0755 0:0 etc/\n0600 0:0 etc/file.txt hello"},
		{"ADD URL/dir/file.txt a.txt /x/", "0755 0:0 x/\n0644 0:0 x/a.txt A\n0600 0:0 x/file.txt hello"},
		{"ADD --chmod=u+x --chown=1:2 URL/dir/file.txt /x", "0700 1:2 x hello"},
		{"ARG dir=dir\nADD URL/${dir}/file.txt /x", "0600 0:0 x hello"},
		{"ADD URL/moved /x/", "0755 0:0 x/\n0600 0:0 x/moved hello"},
		{"ADD URL/ /x", "0600 0:0 x index"},
		{"ADD URL/a.tar.gz /x", "0600 0:0 x " + gzipped(pack(t, "f=F"))}, // not unpacked
		{"ADD --unpack=true URL/a.tar.gz /x", "0755 0:0 x/\n0640 5:6 x/f F"},
		{"ADD --unpack=true URL/dir/file.txt /x/", "0755 0:0 x/\n0600 0:0 x/file.txt hello"},
	} {
		t.Run(c.instruction, func(t *testing.T) {
			k := copyKitchen(t)
			text := "FROM base\n" + strings.ReplaceAll(c.instruction, "URL", s.URL) + "\n"
			if got := k.top(k.build(text)); got != c.want {
				t.Errorf("layer %q, want %q", got, c.want)
			}
			if got := k.build(text).cached(); strings.Contains(got, "-") {
				t.Errorf("second build: %s", got)
			}
			left, err := os.ReadDir(k.layout.TempDir())
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestAddURLTime: a file has the server's time, or the beginning of time, so that the
// layer is the same each time.
func TestAddURLTime(t *testing.T) {
	s := newServer(t)
	for path, want := range map[string]time.Time{"/dir/file.txt": then, "/": time.Unix(0, 0).UTC()} {
		k := newKitchen(t, nil)
		o := k.build("FROM scratch\nADD " + s.URL + path + " /x\n")
		root, err := source.NewReader(k.layout).Open(context.Background(), o.Image.Layers)
		if err != nil {
			t.Fatal(err)
		}
		if e, _ := root.View().Lookup("x"); !e.ModTime.Equal(want) {
			t.Errorf("%s: %v, want %v", path, e.ModTime, want)
		}
	}
}

// TestAddURLCached: a file is downloaded each time to see whether it has changed; with
// --checksum only when it is needed.
func TestAddURLCached(t *testing.T) {
	s := newServer(t)
	k := newKitchen(t, nil)
	plain := "FROM scratch\nADD " + s.URL + "/dir/file.txt /x\n"
	checked := "FROM scratch\nADD --checksum=" + digest.FromBytes([]byte("hello")).String() + " " + s.URL + "/dir/file.txt /x\n"
	for _, c := range []struct {
		text, content, want string
		asked               int64
	}{
		{plain, "hello", "-", 1},
		{plain, "hello", "c", 1},
		{checked, "changed", "c", 0}, // the same file as far as the cache is concerned
		{plain, "changed", "-", 1},
		{plain, "hello", "c", 1},
	} {
		s.set(c.content)
		before := s.asked.Load()
		if got := k.build(c.text).cached(); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.text, c.content, got, c.want)
		}
		if got := s.asked.Load() - before; got != c.asked {
			t.Errorf("%s, %s: %d requests, want %d", c.text, c.content, got, c.asked)
		}
	}
	k.opt.NoCache = true
	s.set("changed")
	if _, err := k.try(checked); err == nil || !strings.Contains(err.Error(), "digest mismatch: want sha256:2cf24dba") {
		t.Errorf("another file than the checksum says: %v", err)
	}
	s.set("hello")
	k.build(checked)
}

func TestAddURLErrors(t *testing.T) {
	s := newServer(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct{ instruction, want string }{
		{"ADD URL/missing /x", "download URL/missing: invalid response status 404 Not Found"},
		{"ADD URL/ /x/", "cannot determine filename for url: URL/"},
		{"ADD URL/.. /x/", "cannot determine filename for url: URL/.."},
		{"ADD URL/ /usr", "cannot determine filename for url: URL/"},
		{"ADD URL/round /x", "download URL/round: stopped after 10 redirects"},
		{"ADD URL/short /x", "download URL/short: unexpected EOF"},
		{"ADD " + closed.URL + "/x /x", "connection refused"},
		{"ADD URL/dir/file.txt URL/moved /x", "When using ADD with more than one source file"},
		{"ADD URL/dir/file.txt /plain/x", "not a directory"},
	} {
		t.Run(c.instruction, func(t *testing.T) {
			k := copyKitchen(t)
			_, err := k.try("FROM base\n" + strings.ReplaceAll(c.instruction, "URL", s.URL) + "\n")
			if err == nil || !strings.Contains(err.Error(), "Dockerfile line 2: ") || !strings.Contains(err.Error(), strings.ReplaceAll(c.want, "URL", s.URL)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(k.layout.TempDir()); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestAddURLInterrupted: a server that says nothing does not hold up the end of a build.
func TestAddURLInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	quiet := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		cancel()
		<-quiet
	}))
	defer s.Close()
	defer close(quiet)
	d, err := newDownload(s.URL+"/x", "")
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	b := &builder{}
	if err := d.fetch(ctx, b.httpClient(), t.TempDir()); err == nil || ctx.Err() == nil {
		t.Errorf("fetch: %v", err)
	}
}

func TestSaveTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if _, err := save(strings.NewReader("12345"), file, 4); err == nil || !strings.Contains(err.Error(), "larger than 4 bytes") {
		t.Errorf("save: %v", err)
	}
	os.Remove(file)
	if d, err := save(strings.NewReader("1234"), file, 4); err != nil || d != digest.FromBytes([]byte("1234")) {
		t.Errorf("save: %v, %v", d, err)
	}
}

// TestAddURLProxy: a --build-arg, which needs no ARG, says which way to go.
func TestAddURLProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the proxy has %s", r.URL)
	}))
	defer proxy.Close()
	k := newKitchen(t, nil)
	k.opt.Args = map[string]string{"http_proxy": proxy.URL}
	got := k.top(k.build("FROM scratch\nADD http://files.test/x /x\n"))
	if want := "0600 0:0 x the proxy has http://files.test/x"; got != want {
		t.Errorf("layer %q, want %q", got, want)
	}
}

func TestProxyFor(t *testing.T) {
	for _, c := range []struct{ url, env, want string }{
		{"http://a.test/", "", ""},
		{"http://a.test/", "HTTP_PROXY=proxy:3128", "http://proxy:3128"},
		{"https://a.test/", "HTTP_PROXY=proxy:3128", ""},
		{"https://a.test/", "HTTPS_PROXY=socks5://proxy:1080", "socks5://proxy:1080"},
		{"https://a.test/", "ALL_PROXY=http://all", "http://all"},
		{"http://a.test/", "HTTP_PROXY=http://p NO_PROXY=*", ""},
		{"http://a.test/", "HTTP_PROXY=http://p NO_PROXY=b.test,a.test", ""},
		{"http://x.a.test/", "HTTP_PROXY=http://p NO_PROXY=A.test", ""},
		{"http://x.a.test/", "HTTP_PROXY=http://p NO_PROXY=.a.test", ""},
		{"http://xa.test/", "HTTP_PROXY=http://p NO_PROXY=a.test", "http://p"},
		{"http://a.test:81/", "HTTP_PROXY=http://p NO_PROXY=a.test:80", "http://p"},
		{"http://a.test/", "HTTP_PROXY=http://p NO_PROXY=a.test:80", ""},
		{"http://10.1.2.3/", "HTTP_PROXY=http://p NO_PROXY=10.0.0.0/8", ""},
		{"http://11.1.2.3/", "HTTP_PROXY=http://p NO_PROXY=10.0.0.0/8", "http://p"},
		{"http://[::1]:5/", "HTTP_PROXY=http://p NO_PROXY=::1", ""},
		{"http://a.test/", "HTTP_PROXY=http://p NO_PROXY=,", "http://p"},
	} {
		env := map[string]string{}
		for _, e := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(e, "=")
			env[name] = value
		}
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := proxyFor(func(name string) string { return env[name] })(&http.Request{URL: u})
		got := ""
		if proxy != nil {
			got = proxy.String()
		}
		if got != c.want || err != nil {
			t.Errorf("%s, %s: %q, %v, want %q", c.url, c.env, got, err, c.want)
		}
	}
}
