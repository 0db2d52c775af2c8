package layer

import (
	"context"
	"fmt"
	"io"

	"minidock.dev/minidock/explain"
	"minidock.dev/minidock/oci"
)

// ApplyOptions say how Apply writes. The zero value is for root.
type ApplyOptions struct {
	// UserXattr marks opaque directories by user.overlay.opaque, which overlay
	// reads when it is mounted with userxattr, as it is in a user namespace. The
	// other mark, trusted.overlay.opaque, takes CAP_SYS_ADMIN of the machine.
	UserXattr bool

	// Squash makes the caller the owner of everything, for a caller who has but
	// one id. Owners in the archive are passed over.
	Squash bool

	// Lower are the unpacked layers below, in overlay form and the top one
	// first. Only a hard link to a file of theirs needs them: the file is copied.
	Lower []string

	// MaxSize is the number of bytes that the archive may have when it is
	// decompressed, and its files together; 0 means DefaultMaxSize.
	MaxSize int64

	// MaxEntries is the number of entries that the archive may have; 0 means
	// DefaultMaxEntries.
	MaxEntries int64
}

// DefaultMaxSize is the largest layer that is unpacked if nothing else is said:
// a kilobyte of zstd can claim to be a terabyte.
const DefaultMaxSize = 256 << 30

// DefaultMaxEntries is the largest number of entries that is read if nothing else
// is said. It bounds the inodes that a layer takes, and the memory: a hundred
// bytes of zstd can be a million empty files. The largest images have a tenth.
const DefaultMaxEntries = 10_000_000

// Apply unpacks a layer archive (plain, gzip or zstd) into the directory dir,
// in the form that overlay reads, and returns the digest of the plain archive.
//
// Nothing outside dir is created, changed or read, whatever the archive says; an
// entry that tries is an error that wraps ErrUnsafePath and names it. Device
// nodes are left out, with a line in the narration, where the caller may not
// make any. So are extended attributes that the file system does not take.
//
// It is for a new directory that nobody else uses yet: after an error or a crash
// part of the layer is there, and the caller removes it. Nothing is synced. A
// root that the archive does not mention becomes 0755 of root.
//
// Where there is no overlay (macOS, Windows) whiteouts remove files instead, so
// that the layers of an image can be unpacked into one directory, in order.
func Apply(ctx context.Context, dir string, r io.Reader, opt ApplyOptions) (oci.DiffID, error) {
	ctx = explain.Step(ctx, "unpack the archive into %s", dir)
	if opt.MaxSize == 0 {
		opt.MaxSize = DefaultMaxSize
	}
	plain, err := Decompress(r)
	if err != nil {
		return "", err
	}
	defer plain.Close()
	in := readAhead(plain, opt.MaxSize)
	defer in.stop()

	if err := unpack(ctx, dir, newReader(in).limit(opt.MaxEntries), opt); err != nil {
		return "", err
	}
	return in.rest()
}

// tooLarge is the error for an archive beyond the limit.
func tooLarge(limit int64) error {
	return fmt.Errorf("unpack layer: more than %d bytes", limit)
}
