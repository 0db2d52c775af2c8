package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Start gives the student a copy of the stub, unless there is one already.
func (c *Course) Start(e *Exercise) (created bool, err error) {
	dir, err := c.openWork(e)
	if err != nil {
		return false, fmt.Errorf("start %s: %w", e.ID(), err)
	}
	defer dir.Close()
	if _, err := dir.Lstat(e.File()); err == nil {
		return false, nil
	}
	if err := copyStub(dir, e); err != nil {
		return false, fmt.Errorf("start %s: %w", e.ID(), err)
	}
	return true, nil
}

// Reset puts the stub back. What was there is kept beside it, as NAME.before-reset.
func (c *Course) Reset(e *Exercise) error {
	dir, err := c.openWork(e)
	if err != nil {
		return fmt.Errorf("reset %s: %w", e.ID(), err)
	}
	defer dir.Close()
	err = dir.Rename(e.File(), e.File()+".before-reset")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reset %s: %w", e.ID(), err)
	}
	if err := copyStub(dir, e); err != nil {
		return fmt.Errorf("reset %s: %w", e.ID(), err)
	}
	return nil
}

// openWork opens the exercise's directory, and makes it first. An os.Root can reach
// nothing outside of it, wherever a symbolic link points.
func (c *Course) openWork(e *Exercise) (*os.Root, error) {
	if err := os.MkdirAll(c.Work, 0o755); err != nil {
		return nil, fmt.Errorf("%w (MINIDOCK_LESSONS_WORK names another place)", err)
	}
	if err := c.hideWork(); err != nil {
		return nil, err
	}
	work, err := os.OpenRoot(c.Work)
	if err != nil {
		return nil, err
	}
	defer work.Close()
	if err := work.Mkdir(e.Folder(), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if info, err := work.Lstat(e.Folder()); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory", filepath.Join(c.Work, e.Folder()))
	}
	return work.OpenRoot(e.Folder())
}

// hideWork makes git and go pass over the students' files: they are neither part of
// the repository nor, having a module of their own, of what "go test ./..." means.
func (c *Course) hideWork() error {
	if !strings.HasPrefix(c.Work, c.Root+string(filepath.Separator)) {
		return nil
	}
	for name, text := range map[string]string{
		".gitignore": "*\n",
		"go.mod":     "// Here so that go commands in the repository leave this directory out.\nmodule work\n",
	} {
		file := filepath.Join(c.Work, name)
		if _, err := os.Lstat(file); err == nil {
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func copyStub(dir *os.Root, e *Exercise) error {
	text, err := os.ReadFile(e.Stub())
	if err != nil {
		return err
	}
	return dir.WriteFile(e.File(), text, 0o644)
}
