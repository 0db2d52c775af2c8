package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// spoolMemory is how much of an output is kept in memory, in bytes. The rest goes to
// a file.
const spoolMemory = 1 << 20

// A spool keeps what a command prints until it is wanted. The zero value is empty.
type spool struct {
	memory bytes.Buffer
	file   *os.File // what came after the memory was full
}

func (s *spool) Write(p []byte) (n int, err error) {
	if s.file == nil && s.memory.Len()+len(p) <= spoolMemory {
		return s.memory.Write(p)
	}
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "minidock-output-"); err != nil {
			return 0, err
		}
		// Without a name nothing is left of it if this process is killed. Windows
		// refuses that, and close does it there.
		os.Remove(s.file.Name())
	}
	return s.file.Write(p)
}

// WriteTo writes all of it and leaves the spool empty.
func (s *spool) WriteTo(w io.Writer) (n int64, err error) {
	n, err = s.memory.WriteTo(w)
	if s.file == nil || err != nil {
		return n, errors.Join(err, s.close())
	}
	if _, err = s.file.Seek(0, io.SeekStart); err == nil {
		var m int64
		m, err = io.Copy(w, s.file)
		n += m
	}
	return n, errors.Join(err, s.close())
}

// close throws away what is in it.
func (s *spool) close() error {
	s.memory.Reset()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	os.Remove(s.file.Name())
	s.file = nil
	return err
}
