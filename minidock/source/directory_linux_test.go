package source

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"minidock.dev/minidock/layer"
)

// TestFileBecomesPipe: a build does not wait for a pipe that has taken the place of
// a file.
func TestFileBecomesPipe(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := OpenDirectory(dir, nil, DirectoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.List(".")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	err = errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o644), os.Chtimes(file, time.Time{}, list[0].ModTime))
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		read <- c.Read(context.Background(), list, func(layer.Entry, io.Reader) error { return nil })
	}()
	select {
	case err := <-read:
		if err == nil || !strings.Contains(err.Error(), "changed during the build") {
			t.Errorf("read: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("waits for the pipe")
	}
}
