//go:build exercise

// message: Other bytes of the same length are accepted

package digest

import "io"

// Read compares lengths and believes the rest.
func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	if err == io.EOF && v.size >= 0 && v.hash.Size() != v.size {
		err = v.verdict()
	}
	return n, err
}
