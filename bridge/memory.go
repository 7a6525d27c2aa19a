package bridge

import (
	"iter"
	"slices"
	"sync"
	"time"

	"bridge/bridge/internal/spool"
)

const (
	// chunkBytes is the unit in which the queue takes and gives back memory.
	chunkBytes = 1 << 20
	// retainBytes bounds the acknowledged records that are kept for a server that loses what it had
	// acknowledged: about a minute of the whole market's second bars at their average rate.
	retainBytes = 8 * chunkBytes
)

// memory is the queue in memory. Frames are copied into chunks, which are used again when all their records
// are released: a full market at any rate makes no garbage.
type memory struct {
	maxBytes int64
	woken    chan struct{} // capacity 1: "something was appended, or the queue was closed"

	mu     sync.Mutex // guards everything below
	chunks []*chunk   // oldest first; the last one is being filled
	spare  *chunk     // one released chunk of the usual size
	read   cursor     // the next record for the publisher
	acked  uint64     // every record up to this one is acknowledged
	last   uint64     // the newest record
	bytes  int64      // in records that are not acknowledged
	closed bool
}

// chunk is a run of records whose frames share one piece of memory.
type chunk struct {
	first   uint64 // seq of entries[0]
	buf     []byte
	entries []entry
}

type entry struct {
	at       time.Time
	kind     uint8
	from, to int // the frame's place in the chunk's buf
}

// cursor is a place in the queue.
type cursor struct {
	chunk int // index in chunks
	entry int // index in the chunk's entries
}

func newMemory(maxBytes int64) *memory {
	return &memory{maxBytes: maxBytes, woken: make(chan struct{}, 1)}
}

// Append copies a frame to the end of the queue. It never waits. When the bound is reached the frame
// is refused with spool.ErrFull: what is older stays, so the stream is complete up to the refusal.
func (q *memory) Append(kind uint8, frame []byte, at time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes+int64(len(frame)) > q.maxBytes {
		return spool.ErrFull
	}
	c := q.room(len(frame))
	from := len(c.buf)
	c.buf = append(c.buf, frame...)
	c.entries = append(c.entries, entry{at, kind, from, len(c.buf)})
	q.last++
	q.bytes += int64(len(frame))
	notify(q.woken)
	return nil
}

// room returns the last chunk, or a new one if the last cannot take n more bytes where it is:
// a chunk never moves, since the publisher holds slices of it.
func (q *memory) room(n int) *chunk {
	if len(q.chunks) > 0 {
		if c := q.chunks[len(q.chunks)-1]; len(c.buf)+n <= cap(c.buf) {
			return c
		}
	}
	c := q.spare
	q.spare = nil
	if c == nil || cap(c.buf) < n {
		c = &chunk{buf: make([]byte, 0, max(n, chunkBytes))}
	}
	c.first = q.last + 1
	q.chunks = append(q.chunks, c)
	return c
}

// Next returns the next record, and false if there is none yet.
func (q *memory) Next() (spool.Record, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.read.chunk < len(q.chunks) {
		c := q.chunks[q.read.chunk]
		if q.read.entry < len(c.entries) {
			e := c.entries[q.read.entry]
			seq := c.first + uint64(q.read.entry)
			q.read.entry++
			return spool.Record{Seq: seq, At: e.at, Kind: e.kind, Frame: c.buf[e.from:e.to:e.to]}, true
		}
		if q.read.chunk == len(q.chunks)-1 {
			break
		}
		q.read = cursor{q.read.chunk + 1, 0}
	}
	return spool.Record{}, false
}

// Ack says that every message of every record up to and including seq is settled.
func (q *memory) Ack(seq uint64, _ spool.Mark) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.chunks {
		for ; q.acked < seq && q.acked < c.last(); q.acked++ {
			e := c.entries[q.acked+1-c.first]
			q.bytes -= int64(e.to - e.from)
		}
	}
	q.release()
}

// release gives back the oldest chunks as long as what stays acknowledged is enough.
func (q *memory) release() {
	retained := 0
	for _, c := range q.chunks {
		if c.last() > q.acked {
			break
		}
		retained += cap(c.buf)
	}
	n := 0
	for retained > retainBytes && n < len(q.chunks)-1 {
		retained -= cap(q.chunks[n].buf)
		n++
	}
	if n == 0 {
		return
	}
	if c := q.chunks[0]; cap(c.buf) == chunkBytes {
		c.buf, c.entries = c.buf[:0], c.entries[:0]
		q.spare = c
	}
	q.chunks = slices.Delete(q.chunks, 0, n)
	q.read.chunk -= n
}

// Rewind makes Next start again at the oldest record that is kept, acknowledged or not.
func (q *memory) Rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.read = cursor{}
	if len(q.chunks) == 0 {
		return
	}
	q.acked = q.chunks[0].first - 1
	q.bytes = 0
	for _, c := range q.chunks {
		q.bytes += int64(len(c.buf))
	}
	notify(q.woken)
}

// All returns the records that are kept, oldest first, acknowledged or not, and leaves Next where it is.
func (q *memory) All() iter.Seq2[spool.Record, error] {
	return func(yield func(spool.Record, error) bool) {
		all := &memory{chunks: q.kept()}
		for {
			if rec, ok := all.Next(); !ok || !yield(rec, nil) {
				return
			}
		}
	}
}

// kept returns copies of the chunks as they are now.
func (q *memory) kept() (chunks []*chunk) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.chunks {
		kept := *c
		chunks = append(chunks, &kept)
	}
	return chunks
}

// Hold does nothing: no time takes away what is kept, and without NATS nothing is acknowledged.
func (q *memory) Hold(bool) {}

// Mark returns nothing: no process came before.
func (q *memory) Mark() spool.Mark { return spool.Mark{} }

// Release gives nothing back: there is nothing on disk.
func (q *memory) Release() error { return nil }

// Woken returns a channel that gets a value when it is worth to call Next or Drained again.
func (q *memory) Woken() <-chan struct{} { return q.woken }

// Close says that nothing will be appended any more.
func (q *memory) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	notify(q.woken)
}

// Drained reports whether the queue is closed and every record in it is acknowledged.
func (q *memory) Drained() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed && q.acked == q.last
}

// Depth returns what is not yet acknowledged: records, bytes, and the age of the oldest.
func (q *memory) Depth() (records int, bytes int64, oldest time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.chunks {
		if c.last() > q.acked {
			oldest = time.Since(c.entries[q.acked+1-c.first].at)
			break
		}
	}
	return int(q.last - q.acked), q.bytes, oldest
}

func (c *chunk) last() uint64 { return c.first + uint64(len(c.entries)) - 1 }
