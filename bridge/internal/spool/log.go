package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bridge/bridge/internal/dirlock"
)

var (
	// ErrFull is returned by Append when what is not acknowledged has reached Options.MaxBytes, or what waits
	// for a disk that takes nothing has reached Options.MemoryBytes. What is older stays.
	ErrFull = errors.New("queue full")
	// ErrClosed is returned by Append after Close.
	ErrClosed = errors.New("spool closed")

	errMemoryFull = fmt.Errorf("%w: the disk takes nothing and the memory for it is used up", ErrFull)
	errTooLong    = fmt.Errorf("frame of more than %d bytes", maxFrame)
)

// Options of Open.
type Options struct {
	// MaxBytes bounds what was never acknowledged. Retained records are deleted early to keep the files within it too, but
	// those that Rewind brings back are there besides.
	MaxBytes    int64
	MemoryBytes int64         // bound of the frames that wait in memory while the disk is slow, full or broken
	Retain      time.Duration // how long acknowledged records stay for Rewind
	SyncEvery   time.Duration // what a power cut may take; 0: a second
	Logger      *slog.Logger  // nil: slog.Default()
}

// sizes are those of the parts of a log, in bytes. Tests take small ones.
type sizes struct {
	segment int // a file that has reached it is followed by another one
	block   int // in which memory is taken and files are read
	ahead   int // written records that stay in memory for a reader who is close behind
}

var usualSizes = sizes{segment: 32 << 20, block: 1 << 20, ahead: 8 << 20}

// Log is a queue of records on disk with one reader. Next, Ack, Rewind and All are for one goroutine
// at a time; the other methods may be called from anywhere.
type Log struct {
	opt   Options
	sizes sizes
	fs    fileSystem
	lock  *dirlock.Lock
	log   *slog.Logger

	woken    chan struct{} // capacity 1: "something was appended, or the log was closed"
	unsaved  chan struct{} // capacity 1: "something was appended, or rewound", for the writer
	released chan struct{} // closed by Release
	ended    chan struct{} // closed by the writer

	read cursor // owned by the reader
	out  writer // owned by the writer

	mu       sync.Mutex // guards everything below; never held over a file operation
	queue    []*block   // the newest records: not written yet, or written a moment ago. Appends go to the last block
	queued   int64      // bytes in queue
	writing  *block     // in queue, and being written
	segments []*segment // oldest first
	spare    []*block

	last      uint64 // the newest record
	end       int64  // its end in the stream of all bytes that were ever appended
	closed    bool
	hasWriter bool  // what is appended will be written, so the reader waits for that
	err       error // why the disk takes nothing

	current    *block    // what the reader is in, the last one of taken
	offset     int       // of its next record in current
	next       uint64    // the lowest sequence that it has not passed
	passed     time.Time // when the last record came that it has passed, zero when that is not known
	lost       uint64    // records between that one and next
	handed     uint64    // the last record that Next returned
	taken      []*block  // blocks with records that Next returned and Ack did not settle
	acked      uint64    // every record up to this one is acknowledged
	mark       Mark      // that came with it
	ackedEnd   int64     // the end of acked in the stream of bytes
	held       bool      // acknowledged records stay
	rewound    bool      // Rewind was called, and position does not say so
	rewoundEnd int64     // ackedEnd before that
	settled    int       // offset in taken[0] of the first record that is not acknowledged
	damaged    int64     // damaged places
}

// Append copies a frame to the end of the log. It never waits for the disk. An error means that the frame is not
// in the log.
func (l *Log) Append(kind uint8, frame []byte, at time.Time) error {
	size := int64(recordHeader + len(frame))
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case len(frame) > maxFrame:
		return errTooLong
	case l.end-max(l.ackedEnd, l.rewoundEnd)+size > l.opt.MaxBytes:
		return ErrFull
	case l.queued+size > l.opt.MemoryBytes && !l.forgetSettled(size):
		return errMemoryFull
	}
	b := l.room(int(size))
	l.last++
	b.buf = appendRecord(b.buf, l.last, at, kind, frame)
	b.last = l.last
	l.end += size
	l.queued += size
	notify(l.unsaved)
	notify(l.woken)
	return nil
}

// room returns the block at the end of the queue that can take n more bytes.
func (l *Log) room(n int) *block {
	if len(l.queue) > 0 {
		if b := l.queue[len(l.queue)-1]; len(b.buf)+n <= cap(b.buf) {
			return b
		}
	}
	b := l.newBlock(n)
	b.first, b.pos, b.queued = l.last+1, l.end, true
	l.queue = append(l.queue, b)
	return b
}

// forgetSettled makes room in memory for n bytes by records that are acknowledged and not written. They
// were only of use to Rewind, and a disk that is full for hours must not stop a feed whose frames are settled at once.
func (l *Log) forgetSettled(n int64) bool {
	for i := 0; i < len(l.queue)-1 && l.queue[i].last <= l.acked && l.queued+n > l.opt.MemoryBytes; {
		if l.queue[i] == l.writing {
			i++
			continue
		}
		l.unqueue(l.queue[i])
		l.queue = slices.Delete(l.queue, i, i+1)
	}
	return l.queued+n <= l.opt.MemoryBytes
}

// trim takes blocks out of the queue that are in the files, unless the reader is about to come to them.
func (l *Log) trim() {
	n := 0
	for n < len(l.queue)-1 {
		b := l.queue[n]
		if b.written < len(b.buf) || b.last >= l.next && l.queued <= int64(l.sizes.ahead) {
			break
		}
		l.unqueue(b)
		n++
	}
	l.queue = slices.Delete(l.queue, 0, n)
}

func (l *Log) unqueue(b *block) {
	l.queued -= int64(len(b.buf))
	b.queued = false
	l.recycle(b)
}

// notify leaves a word in a channel of capacity 1.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Woken returns a channel that gets a value when it is worth to call Next or Drained again.
func (l *Log) Woken() <-chan struct{} { return l.woken }

// Close says that nothing will be appended any more. What is in the log can still be read.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	notify(l.woken)
}

// Drained reports whether the log is closed and every record in it is acknowledged.
func (l *Log) Drained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed && l.acked == l.last
}

// Depth returns what is not yet acknowledged: records, their bytes on disk, and the age of the oldest. Damaged
// records count until the reader has passed them.
func (l *Log) Depth() (records int, bytes int64, oldest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.acked == l.last {
		return 0, 0, 0
	}
	if at := l.oldestAt(); !at.IsZero() {
		oldest = max(0, time.Since(at)) // a clock may be set back
	}
	return int(l.last - l.acked), l.end - l.ackedEnd, oldest
}

// oldestAt returns the time of the oldest record that is not acknowledged, or of one a little older, and zero when
// neither is known.
func (l *Log) oldestAt() time.Time {
	for i, b := range l.taken {
		at := 0
		if i == 0 {
			at = l.settled
		}
		if at < len(b.buf) {
			return timeOf(b.buf[at:])
		}
	}
	if len(l.queue) > 0 && l.next >= l.queue[0].first {
		if b := l.inMemory(l.next); b != nil {
			at, _ := b.find(l.next)
			return timeOf(b.buf[at:])
		}
	}
	return l.passed // the oldest one is in a file, and came next
}

// Mark returns the mark of the last Ack, of this process or one before it. It is none when Rewind came later.
func (l *Log) Mark() Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark
}

// Err returns why the disk takes nothing at the moment, nil when all is well.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Damaged returns how many damaged places were found in the files, and skipped, since Open.
func (l *Log) Damaged() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.damaged
}
