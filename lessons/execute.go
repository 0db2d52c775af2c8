package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// errNoJupyter is wrapped by the error of Execute where Jupyter is not installed.
var errNoJupyter = errors.New("jupyter-nbconvert is missing (Debian: apt install jupyter-nbconvert python3-ipykernel; elsewhere: pipx install --include-deps nbconvert ipykernel)")

// Execute runs every cell of a lesson's notebook, as Jupyter would, and returns it with
// normalised outputs. The lesson's own directory is not written to.
func Execute(ctx context.Context, c *Course, l *Lesson, n *Notebook) (*Notebook, error) {
	if _, err := exec.LookPath("jupyter-nbconvert"); err != nil {
		return nil, errNoJupyter
	}
	dir, err := os.MkdirTemp("", "minidock-execute-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, err
	}
	input, err := c.mirror(l, n, dir)
	if err != nil {
		return nil, fmt.Errorf("execute lesson %s: %w", l.Number, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "jupyter-nbconvert", "--to", "notebook", "--execute", "--output", "done.ipynb",
		"--ExecutePreprocessor.timeout=600", input)
	// Nothing of the user's own settings, and nothing left in his home.
	cmd.Env = append(os.Environ(), "IPYTHONDIR="+filepath.Join(dir, "ipython"), "JUPYTER_CONFIG_DIR="+filepath.Join(dir, "config"),
		"JUPYTER_RUNTIME_DIR="+filepath.Join(dir, "runtime"), "JUPYTER_DATA_DIR="+filepath.Join(dir, "data"),
		"PYTHONDONTWRITEBYTECODE=1", "PYDEVD_DISABLE_FILE_VALIDATION=1")
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("execute lesson %s: %w\n%s", l.Number, err, lastLines(string(out), 40))
	}
	done, err := ReadNotebook(filepath.Join(filepath.Dir(input), "done.ipynb"))
	if err != nil {
		return nil, err
	}
	if !n.TakeOutputs(done) {
		return nil, fmt.Errorf("execute lesson %s: Jupyter gave back other cells", l.Number)
	}
	n.Normalise(c.Root)
	return n, nil
}

// mirror makes dir look like lessons/, with the notebook in the place of the one there.
func (c *Course) mirror(l *Lesson, n *Notebook, dir string) (input string, err error) {
	lesson := filepath.Join(dir, filepath.Base(l.Dir))
	if err := os.Mkdir(lesson, 0o755); err != nil {
		return "", err
	}
	for _, from := range []string{filepath.Join(c.Root, "lessons", "minidock_lessons.py"), filepath.Join(l.Dir, "exercise")} {
		to := dir
		if filepath.Dir(from) == l.Dir {
			to = lesson
		}
		if err := os.Symlink(from, filepath.Join(to, filepath.Base(from))); err != nil {
			return "", err
		}
	}
	text, err := n.Bytes()
	if err != nil {
		return "", err
	}
	input = filepath.Join(lesson, "lesson.ipynb")
	return input, os.WriteFile(input, text, 0o644)
}

// Build refreshes a lesson's quotes, runs it, and writes page and notebook.
func Build(ctx context.Context, c *Course, l *Lesson) error {
	page, err := os.ReadFile(l.Page())
	if err != nil {
		return err
	}
	fresh, err := RefreshQuotes(c.Root, string(page))
	if err != nil {
		return fmt.Errorf("%s: %w", l.Page(), err)
	}
	if fresh != string(page) {
		if err := os.WriteFile(l.Page(), []byte(fresh), 0o644); err != nil {
			return err
		}
	}
	n, err := NewNotebook(c.Root, fresh)
	if err != nil {
		return err
	}
	if n, err = Execute(ctx, c, l, n); err != nil {
		return err
	}
	text, err := n.Bytes()
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(l.Notebook()); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return os.WriteFile(l.Notebook(), text, 0o644)
}

func lastLines(text string, n int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
