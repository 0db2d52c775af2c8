//go:build exercise

// message: The right bytes do not come through.

package digest

import "io"

// Read passes on what the source gives; its end becomes the verdict.
func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if v.size >= 0 {
		rest := v.size - v.hash.Size()
		if int64(len(p))-1 > rest {
			p = p[:rest+1]
		}
	}
	n, err := v.r.Read(p)

	if v.size >= 0 && v.hash.Size() > v.size {
		v.err = &MismatchError{Want: v.want, WantSize: v.size, GotSize: v.hash.Size()}
		return n - 1, v.err
	}
	if err == io.EOF {
		err = v.verdict()
	}
	v.err = err
	return n, err
}
