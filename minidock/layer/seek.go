package layer

import "io"

// A skipper reads names out of an archive and jumps over contents. It reads a
// few headers at a time, but not much more than that: for every entry
// archive/tar would otherwise make half a dozen calls of the kernel.
type skipper struct {
	r    io.ReadSeeker
	pos  int64 // of r
	buf  [4 << 10]byte
	left []byte // of buf, read but not yet asked for
}

// Read implements io.Reader.
func (s *skipper) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		n, err := s.r.Read(s.buf[:])
		s.pos += int64(n)
		if n == 0 {
			return 0, err
		}
		s.left = s.buf[:n]
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// Seek implements io.Seeker. What is in the buffer is passed over within it.
func (s *skipper) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekCurrent {
		offset, whence = s.pos-int64(len(s.left))+offset, io.SeekStart
	}
	ahead := s.pos - offset
	if whence == io.SeekStart && 0 <= ahead && ahead <= int64(len(s.left)) {
		s.left = s.left[int64(len(s.left))-ahead:]
		return offset, nil
	}
	var err error
	s.left = nil
	s.pos, err = s.r.Seek(offset, whence)
	return s.pos, err
}
