//go:build exercise

package digest

// Read passes on what v.r gives. The engine has declared
//
//	type verifier struct {
//		r    io.Reader
//		hash *Hasher // has Write, and Size: how many bytes were written to it
//		want Digest
//		size int64   // how long the content must be; -1: unknown
//		err  error   // to be returned by every Read from now on
//	}
//
// and the method verdict, which says what stands at the end in the place of io.EOF. When
// there are more bytes than v.size, nothing needs to be hashed to know it: then the error is
// &MismatchError{Want: v.want, WantSize: v.size, GotSize: v.hash.Size()}.
//
// What io.Reader promises: https://pkg.go.dev/io#Reader. A Read may return bytes and
// an error at once.
func (v *verifier) Read(p []byte) (int, error) {
	return v.r.Read(p)
}
