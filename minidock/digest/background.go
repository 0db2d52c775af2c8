package digest

// piece is how many bytes a Background hands over at once, and pieces how many
// such pieces it has.
const (
	piece  = 256 << 10
	pieces = 4
)

// A Background is a Hasher that works in a goroutine of its own. SHA-256 takes
// about a second a gigabyte; whoever reads, compresses or writes files meanwhile
// need not wait for it. Up to a piece it does without the goroutine, so a small
// document costs no more than with a Hasher.
//
// One goroutine at a time may call its methods, and must call Close in the end.
type Background struct {
	hash *Hasher     // of the goroutine, while it runs
	buf  []byte      // being filled
	todo chan []byte // to be hashed; nil while there is no goroutine
	free chan []byte // hashed, to be filled again
	size int64
}

// NewBackground returns a Background that has seen nothing yet.
func NewBackground() *Background { return &Background{hash: NewHasher()} }

// Write adds p, of which it keeps a copy, and never fails.
func (b *Background) Write(p []byte) (int, error) {
	b.size += int64(len(p))
	for rest := p; len(rest) > 0; {
		if len(b.buf) == piece {
			b.hand()
		}
		n := min(len(rest), piece-len(b.buf))
		b.buf = append(b.buf, rest[:n]...)
		rest = rest[n:]
	}
	return len(p), nil
}

// hand gives the full piece to the goroutine and takes an empty one.
func (b *Background) hand() {
	if b.todo == nil {
		b.start()
	}
	b.todo <- b.buf
	b.buf = <-b.free
}

func (b *Background) start() {
	b.todo, b.free = make(chan []byte, pieces), make(chan []byte, pieces)
	for range pieces - 1 {
		b.free <- make([]byte, 0, piece)
	}
	go func(todo <-chan []byte, free chan<- []byte) {
		for buf := range todo {
			b.hash.Write(buf)
			free <- buf[:0]
		}
		close(free)
	}(b.todo, b.free)
}

// Close ends the goroutine, once it has hashed what it was given. A second Close
// does nothing.
func (b *Background) Close() error {
	if b.todo == nil {
		return nil
	}
	close(b.todo)
	for range b.free { // until it is closed, which is the goroutine's last act
	}
	b.todo, b.free = nil, nil
	return nil
}

// Digest returns the digest of all bytes written so far. It waits for the goroutine.
func (b *Background) Digest() Digest {
	b.Close()
	b.hash.Write(b.buf)
	b.buf = b.buf[:0]
	return b.hash.Digest()
}

// Size returns the number of bytes written so far.
func (b *Background) Size() int64 { return b.size }
