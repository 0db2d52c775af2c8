package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Course is the lessons directory of a clone, and where its student works.
type Course struct {
	Root    string // of the repository
	Work    string // a directory for each exercise that was started
	Lessons []*Lesson
}

// A Lesson is a directory NN-name: lesson.md, hints.md and the exercises.
type Lesson struct {
	Number    string // two digits
	Dir       string
	Title     string // the first heading of lesson.md
	Exercises []*Exercise
}

// An Exercise is a directory below the lesson's exercise/. It has either stub.go, a
// function of the engine to be written, or scenario.txtar, a scenario to be completed.
type Exercise struct {
	Lesson *Lesson
	Name   string
	Dir    string
	Spec
}

// Spec is exercise.json.
type Spec struct {
	Level int    `json:"level"` // 1 is the easiest; exercises are done in this order
	Title string `json:"title"`
	Task  string `json:"task"` // what to do, in a paragraph
	// Passage is the heading of the lesson to reread when a test of the engine
	// fails. The exercise's own checks name theirs in their messages.
	Passage string `json:"passage"`

	// For a function: where it is in the engine, what else must still work with it.
	Package   string   `json:"package,omitempty"`   // below minidock/
	Functions []string `json:"functions,omitempty"` // "Parse", or "verifier.Read" for a method
	Tests     []string `json:"tests,omitempty"`     // further packages whose tests must pass
	Scenarios []string `json:"scenarios,omitempty"` // of testdata/script
}

// OpenCourse finds the repository that contains dir and reads its lessons.
func OpenCourse(dir string) (*Course, error) {
	root, err := findRoot(dir)
	if err != nil {
		return nil, err
	}
	c := &Course{Root: root, Work: workDir(root)}
	dirs, err := filepath.Glob(filepath.Join(root, "lessons", "[0-9][0-9]-*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		lesson, err := openLesson(dir)
		if err != nil {
			return nil, err
		}
		c.Lessons = append(c.Lessons, lesson)
	}
	return c, nil
}

// findRoot walks up to the go.mod that lies beside lessons/ and minidock/.
func findRoot(dir string) (string, error) {
	for from := dir; ; {
		module, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(module, []byte("module minidock.dev\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find the course: %s is not in a clone of minidock", from)
		}
		dir = parent
	}
}

// workDir is work/ in the clone, which git is told to ignore. Where the clone is
// somebody else's, a teacher's, it is a directory in the student's home.
func workDir(root string) string {
	if dir := os.Getenv("MINIDOCK_LESSONS_WORK"); dir != "" {
		return dir
	}
	probe, err := os.MkdirTemp(root, ".writable-")
	if err == nil {
		os.Remove(probe)
		return filepath.Join(root, "work")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(root, "work")
	}
	return filepath.Join(home, "minidock-work")
}

func openLesson(dir string) (*Lesson, error) {
	number, _, _ := strings.Cut(filepath.Base(dir), "-")
	lesson := &Lesson{Number: number, Dir: dir}
	page, err := os.ReadFile(lesson.Page())
	if err != nil {
		return nil, fmt.Errorf("open lesson %s: %w", number, err)
	}
	if found := regexp.MustCompile(`(?m)^# (?:\d\d · )?(.+)$`).FindSubmatch(page); found != nil {
		lesson.Title = string(found[1])
	}
	specs, err := filepath.Glob(filepath.Join(dir, "exercise", "*", "exercise.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range specs {
		e, err := openExercise(lesson, file)
		if err != nil {
			return nil, fmt.Errorf("open lesson %s: %w", number, err)
		}
		lesson.Exercises = append(lesson.Exercises, e)
	}
	slices.SortStableFunc(lesson.Exercises, func(a, b *Exercise) int { return a.Level - b.Level })
	return lesson, nil
}

func openExercise(lesson *Lesson, file string) (*Exercise, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	e := &Exercise{Lesson: lesson, Dir: filepath.Dir(file)}
	e.Name = filepath.Base(e.Dir)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e.Spec); err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	return e, nil
}

// Page is the lesson's source, Notebook what is made of it.
func (l *Lesson) Page() string     { return filepath.Join(l.Dir, "lesson.md") }
func (l *Lesson) Notebook() string { return filepath.Join(l.Dir, "lesson.ipynb") }

// ID names an exercise among all lessons: "02/verify".
func (e *Exercise) ID() string { return e.Lesson.Number + "/" + e.Name }

// IsScenario reports which of the two kinds of exercise this is.
func (e *Exercise) IsScenario() bool { return e.Package == "" }

// Stub is the file that a student begins with.
func (e *Exercise) Stub() string {
	if e.IsScenario() {
		return filepath.Join(e.Dir, "scenario.txtar")
	}
	return filepath.Join(e.Dir, "stub.go")
}

// Folder is the name of the exercise's directory below Course.Work.
func (e *Exercise) Folder() string { return e.Lesson.Number + "-" + e.Name }

// File is the name of the student's file in it.
func (e *Exercise) File() string { return e.Name + filepath.Ext(e.Stub()) }

// Answer is the student's file.
func (c *Course) Answer(e *Exercise) string { return filepath.Join(c.Work, e.Folder(), e.File()) }

// Solutions is the directory that has the exercise's solution, why.md and wrong/.
func (c *Course) Solutions(e *Exercise) string {
	return filepath.Join(c.Root, "lessons", "solutions", e.Lesson.Number, e.Name)
}

// Lesson finds a lesson by its number, "2" or "02", or by a part of its folder's name.
func (c *Course) Lesson(name string) (*Lesson, error) {
	for _, l := range c.Lessons {
		if l.Number == name || l.Number == "0"+name || filepath.Base(l.Dir) == name {
			return l, nil
		}
	}
	return nil, fmt.Errorf("there is no lesson %q: see go run ./lessons list", name)
}

// Exercises finds what a student may mean: "02" all of a lesson, "02/verify" or
// "verify" one.
func (c *Course) Exercises(name string) ([]*Exercise, error) {
	number, exercise, one := strings.Cut(name, "/")
	var found []*Exercise
	for _, l := range c.Lessons {
		whole := l.Number == number || l.Number == "0"+number
		for _, e := range l.Exercises {
			if whole && (!one || exercise == e.Name) || e.Name == name {
				found = append(found, e)
			}
		}
	}
	if len(found) == 0 {
		if l, err := c.Lesson(number); err == nil && !one {
			return nil, fmt.Errorf("lesson %s has no exercise", l.Number)
		}
		return nil, fmt.Errorf("there is no exercise %q: see go run ./lessons list", name)
	}
	return found, nil
}

// errNoLesson is what a verb says that was given no lesson where it needs one.
var errNoLesson = errors.New("which lesson? For example: 02, or 02/verify for one exercise")
