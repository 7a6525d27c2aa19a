package spool

import "time"

// block is a run of records in memory, laid out as in a segment. The records of Append are collected in
// blocks, written from there, and read back into blocks.
type block struct {
	buf         []byte // never moves: the writer and the reader hold slices of it
	first, last uint64 // sequences of its records
	pos         int64  // of buf[0], in the stream of all bytes that were ever appended

	written int      // bytes of buf that are in a segment
	seg     *segment // where they end: in which segment,
	end     int64    // and at which offset

	queued bool // in Log.queue
	taken  bool // in Log.taken
}

// newBlock returns an empty block that can take n bytes.
func (l *Log) newBlock(n int) *block {
	if len(l.spare) > 0 && n <= l.sizes.block {
		b := l.spare[len(l.spare)-1]
		l.spare = l.spare[:len(l.spare)-1]
		return b
	}
	return &block{buf: make([]byte, 0, max(n, l.sizes.block))}
}

// spareBlocks is how many blocks are kept to be used again: a busy log makes no garbage.
const spareBlocks = 4

// recycle keeps a block for newBlock when nobody needs it any more.
func (l *Log) recycle(b *block) {
	if b.queued || b.taken || cap(b.buf) != l.sizes.block || len(l.spare) == spareBlocks {
		return
	}
	*b = block{buf: b.buf[:0]}
	l.spare = append(l.spare, b)
}

// find returns where in b the first record with a sequence of at least seq is, the end of b when there is none, and the time of the
// record before it, zero when that is not in b.
func (b *block) find(seq uint64) (offset int, before time.Time) {
	for offset < len(b.buf) && seqOf(b.buf[offset:]) < seq {
		before = timeOf(b.buf[offset:])
		offset += sizeOf(b.buf[offset:])
	}
	return offset, before
}
