package build

import (
	"testing"

	"minidock.dev/minidock/layer"
)

// TestMode: a symbolic mode does what chmod(1) does with a umask of 0.
func TestMode(t *testing.T) {
	const directory = 1 << 20 // marks one in this table
	for _, c := range []struct {
		mode     string
		was, now int64
	}{
		{"755", 0o644, 0o755},
		{"04711", 0o644, 0o4711},
		{"0", 0o7777, 0},
		{"u=rwX,go=rX", 0o600, 0o644},
		{"u=rwX,go=rX", 0o700, 0o755},
		{"u=rwX,go=rX", 0o010, 0o755},
		{"u=rwX,go=rX", 0o600 | directory, 0o755},
		{"a-x,+X", 0o700, 0o711}, // what it was before counts
		{"+x", 0o644, 0o755},
		{"a+x", 0o644, 0o755},
		{"+w", 0o444, 0o666},
		{"u+x,g-w", 0o664, 0o744},
		{"go=", 0o777, 0o700},
		{"o=", 0o1777, 0o1770},
		{"=r", 0o7777, 0o444},
		{"u+s", 0o755, 0o4755},
		{"g+s,+t", 0o755, 0o3755},
		{"o+s", 0o755, 0o755},
		{"u-s", 0o6755, 0o2755},
		{"a+rx", 0o600, 0o755},
		{"ug+rw-x", 0o711, 0o661},
		{"g=u", 0o750, 0o770},
		{"go=u", 0o640, 0o666},
		{"go=u-w", 0o640, 0o644},
		{"o=g", 0o751, 0o755},
		{"u=", 0o777, 0o077},
		{"u+", 0o644, 0o644},
	} {
		m, err := parseMode(c.mode)
		if err != nil {
			t.Errorf("%s: %v", c.mode, err)
			continue
		}
		e := layer.Entry{Type: layer.TypeReg, Mode: c.was &^ directory}
		if c.was&directory != 0 {
			e.Type = layer.TypeDir
		}
		if got := m.of(e).Mode; got != c.now {
			t.Errorf("%s of %04o: %04o, want %04o", c.mode, e.Mode, got, c.now)
		}
	}
	symlink := layer.Entry{Type: layer.TypeSymlink, Mode: 0o777}
	if m, _ := parseMode("600"); m.of(symlink).Mode != 0o777 {
		t.Error("a link has another mode")
	}
	if got := (modeChange{}).of(layer.Entry{Mode: 0o640}).Mode; got != 0o640 {
		t.Errorf("no --chmod gives %04o", got)
	}
}

func TestModeErrors(t *testing.T) {
	for _, mode := range []string{"", "8", "10000", "64a", "-1", "+0644", "rwx", "u", "u=rq", "u=r,", ",u=r", "u r", "u=rwx g=r", "u==r,x"} {
		if m, err := parseMode(mode); err == nil {
			t.Errorf("%q is accepted: %+v", mode, m)
		}
	}
}

// FuzzMode: whatever is accepted keeps to the bits of a mode.
func FuzzMode(f *testing.F) {
	for _, mode := range []string{"755", "u=rwX,go=rX", "+x", "go=u-w", "a+t,u+s"} {
		f.Add(mode, int64(0o644))
	}
	f.Fuzz(func(t *testing.T, mode string, was int64) {
		m, err := parseMode(mode)
		if err != nil {
			return
		}
		now := m.of(layer.Entry{Type: layer.TypeReg, Mode: was & 0o7777}).Mode
		if now&^0o7777 != 0 {
			t.Errorf("%q of %04o: %o", mode, was&0o7777, now)
		}
	})
}
