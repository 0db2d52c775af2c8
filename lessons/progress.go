package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Progress is what a student has done, in $XDG_STATE_HOME/minidock/lessons.json: of one
// person, in whichever clone.
type Progress struct {
	Exercises map[string]*Attempt `json:"exercises"` // by ID: "02/verify"
}

// Attempt is the story of one exercise.
type Attempt struct {
	Started  time.Time `json:"started,omitzero"`
	Passed   time.Time `json:"passed,omitzero"` // the first time
	Checks   int       `json:"checks"`
	Hints    int       `json:"hints"`         // how many were read
	Solution bool      `json:"solution_read"` // before or after it passed
}

// State is the word for an attempt: "new", "started" or "passed".
func (a *Attempt) State() string {
	switch {
	case a == nil || a.Started.IsZero() && a.Passed.IsZero():
		return "new"
	case a.Passed.IsZero():
		return "started"
	}
	return "passed"
}

// progressFile follows the XDG base directory specification.
func progressFile() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the specification: others are to be ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the place for your progress: %w", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "minidock", "lessons.json"), nil
}

// ReadProgress returns what is there; nothing done yet is no error.
func ReadProgress() (*Progress, error) {
	file, err := progressFile()
	if err != nil {
		return nil, err
	}
	return readProgress(file)
}

func readProgress(file string) (*Progress, error) {
	p := &Progress{}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, p)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read progress: %s: %w", file, err)
	}
	if p.Exercises == nil {
		p.Exercises = map[string]*Attempt{}
	}
	return p, nil
}

// UpdateAttempt changes one exercise's record. Two terminals may do so at the same
// time: a lock makes them take turns, and a reader never sees half of a file.
func UpdateAttempt(e *Exercise, change func(*Attempt)) error {
	file, err := progressFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("keep progress: %w", err)
	}
	unlock, err := lockedfile.MutexAt(file + ".lock").Lock()
	if err != nil {
		return fmt.Errorf("keep progress: %w", err)
	}
	defer unlock()
	p, err := readProgress(file)
	if err != nil {
		return err
	}
	if p.Exercises[e.ID()] == nil {
		p.Exercises[e.ID()] = &Attempt{}
	}
	change(p.Exercises[e.ID()])
	text, err := marshal(p, "  ")
	if err != nil {
		return err
	}
	if err := writeFile(file, text); err != nil {
		return fmt.Errorf("keep progress: %w", err)
	}
	return nil
}

// writeFile writes a file that is there whole or not at all.
func writeFile(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename it is not there any more
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
