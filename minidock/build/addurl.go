package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"minidock.dev/minidock/digest"
	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/layer"
	"minidock.dev/minidock/source"
)

// maxDownload is the largest file that ADD takes from a URL, in bytes.
const maxDownload = 64 << 30

// stall is how long a download may go on without a byte.
const stall = time.Minute

// A download is a URL of an ADD. With --checksum its content is known beforehand, and
// it is asked for only if the step is not in the cache.
type download struct {
	url      *url.URL
	checksum digest.Digest // what it must have; "" if nobody said
	digest   digest.Digest // what it has

	temp string            // the directory that the file is in, in the store's
	dir  *source.Directory // the same, open; nil until the file is there
	file layer.Entry
}

// newDownload parses a URL, which isURL says is one.
func newDownload(text string, checksum digest.Digest) (*download, error) {
	u, err := url.Parse(text)
	if err == nil && u.Host == "" {
		err = errors.New("it names no host")
	}
	if err != nil {
		return nil, fmt.Errorf("invalid URL %q: %w", text, unwrapURL(err))
	}
	return &download{url: u, checksum: checksum}, nil
}

// base is the name of the file, for a destination that is a directory; "" if the URL
// has none.
func (d *download) base() string {
	switch name := path.Base(d.url.Path); name {
	case ".", "..", "/":
		return ""
	default:
		return name
	}
}

// input is the download as an input of a key: what is there, not when it changed.
func (d *download) input() Input {
	sum := d.checksum
	if sum == "" {
		sum = d.digest
	}
	return Input{"url " + d.url.Redacted(), sum.String()}
}

// fetch downloads the file, once, into a directory of its own below temp.
func (d *download) fetch(ctx context.Context, client *http.Client, temp string) error {
	if d.dir != nil {
		return nil
	}
	name := d.url.Redacted()
	ctx = explain.Step(ctx, "download %s", name)
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return err
	}
	var err error
	if d.temp, err = os.MkdirTemp(temp, "download-"); err != nil {
		return err
	}
	modified, err := d.get(ctx, client, filepath.Join(d.temp, "file"))
	if err == nil && d.checksum != "" && d.digest != d.checksum {
		err = fmt.Errorf("digest mismatch: want %s, got %s", d.checksum, d.digest)
	}
	if err != nil {
		return fmt.Errorf("download %s: %w", name, err)
	}
	if err := os.Chtimes(filepath.Join(d.temp, "file"), modified, modified); err != nil {
		return err
	}
	if d.dir, err = source.OpenDirectory(d.temp, nil, source.DirectoryOptions{}); err != nil {
		return err
	}
	d.file, err = d.dir.Resolve("file")
	return err
}

// get writes what the server sends into a file, and returns the time of it: what the
// server says, or the beginning of time, so that the layer is the same each time.
func (d *download) get(ctx context.Context, client *http.Client, file string) (modified time.Time, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("the server has sent nothing for %v", stall)) })
	defer watch.Stop()
	defer func() {
		if cause := context.Cause(ctx); cause != nil && err != nil {
			err = cause
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url.String(), nil)
	if err != nil {
		return modified, unwrapURL(err)
	}
	request.Header.Set("User-Agent", "minidock")
	response, err := client.Do(request)
	if err != nil {
		return modified, unwrapURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return modified, fmt.Errorf("invalid response status %s", response.Status)
	}
	modified = time.Unix(0, 0)
	if t, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		modified = t
	}
	d.digest, err = save(&watched{response.Body, watch}, file, maxDownload)
	return modified, err
}

// save writes a file of at most limit bytes, and returns its digest.
func save(r io.Reader, file string, limit int64) (digest.Digest, error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := digest.NewHasher()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	if err == nil {
		err = f.Close()
	}
	return hash.Digest(), err
}

// watched is a body that puts off the alarm whenever bytes come.
type watched struct {
	r     io.Reader
	watch *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.watch.Reset(stall)
	}
	return n, err
}

// close removes the file.
func (d *download) close() {
	if d.dir != nil {
		d.dir.Close()
	}
	if d.temp != "" {
		os.RemoveAll(d.temp)
	}
}

// unwrapURL takes off the method and the URL that package net/http puts before an
// error: we name it ourselves.
func unwrapURL(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// isURL reports whether a source of ADD is to be downloaded.
func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// isGit reports whether a source of ADD is a Git repository, as docker has it:
// git://…, ssh://…, git@host:path, and an http URL whose path ends in .git.
func isGit(s string) bool {
	for _, scheme := range []string{"git://", "ssh://", "git@"} {
		if strings.HasPrefix(s, scheme) {
			return true
		}
	}
	address, _, _ := strings.Cut(s, "#")
	address, _, _ = strings.Cut(address, "?")
	return isURL(s) && strings.HasSuffix(address, ".git")
}

// errGit says what to do without it.
var errGit = errors.New("ADD of a Git repository is not supported: clone it beside the Dockerfile and COPY it, or RUN git clone")
