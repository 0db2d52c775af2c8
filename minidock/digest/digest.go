package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

const (
	algorithm = "sha256"
	prefix    = algorithm + ":"
	hexLen    = 2 * sha256.Size
)

// ErrInvalid is wrapped by the errors of Parse and Validate.
var ErrInvalid = errors.New("invalid digest")

// Digest is the name of some bytes: "sha256:" and 64 lower-case hexadecimal
// digits. Values from Parse, FromBytes and Hasher are always of this form; one
// that was read from elsewhere is a mere string until Validate has seen it.
type Digest string

// Parse checks s and returns it as a Digest. It is strict: one spelling for one
// hash. Two spellings would make one blob look like two, and a digest is used
// as a file name, so nothing but hexadecimal digits may get through.
func Parse(s string) (Digest, error) {
	algo, digits, ok := strings.Cut(s, ":")
	switch {
	case !ok:
		return "", fmt.Errorf("%w %q: no algorithm", ErrInvalid, s)
	case algo != algorithm:
		return "", fmt.Errorf("%w %q: algorithm is not %s", ErrInvalid, s, algorithm)
	case len(digits) != hexLen:
		return "", fmt.Errorf("%w %q: %d digits, want %d", ErrInvalid, s, len(digits), hexLen)
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", fmt.Errorf("%w %q: %q is not a lower-case hexadecimal digit", ErrInvalid, s, c)
		}
	}
	return Digest(s), nil
}

// FromBytes returns the digest of b.
func FromBytes(b []byte) Digest {
	sum := sha256.Sum256(b)
	return fromSum(sum[:])
}

func fromSum(sum []byte) Digest {
	return Digest(prefix + hex.EncodeToString(sum))
}

// Validate reports whether d has the form that Parse asks for.
func (d Digest) Validate() error {
	_, err := Parse(string(d))
	return err
}

// Hex returns what stands after the colon, the 64 digits.
func (d Digest) Hex() string {
	_, digits, _ := strings.Cut(string(d), ":")
	return digits
}

// Short returns the first 12 digits, the form in which people see IDs.
func (d Digest) Short() string {
	digits := d.Hex()
	return digits[:min(12, len(digits))]
}

// String returns the whole digest with its algorithm.
func (d Digest) String() string { return string(d) }
