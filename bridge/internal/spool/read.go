package spool

import (
	"slices"
	"time"
)

// Next returns the next record, and false if there is none yet. The frame is good until the record is acknowledged, or until
// Rewind. Next may read a file, never more than a block at a time.
func (l *Log) Next() (Record, bool) {
	for {
		rec, ok, early := l.take()
		if rec.Lost > 0 {
			l.log.Warn("records are missing in the spool", "records", rec.Lost, "from", rec.Since, "to", rec.At)
		}
		if ok || early || !l.advance() {
			return rec, ok
		}
	}
}

// take returns the next record of the block that the reader is in. early is true when that has to wait for the writer.
func (l *Log) take() (rec Record, ok, early bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil || l.offset == len(l.current.buf) {
		return Record{}, false, false
	}
	if l.early() {
		return Record{}, false, true
	}
	rec = recordOf(l.current.buf[l.offset:])
	if l.lost > 0 {
		rec.Lost, rec.Since, l.lost = l.lost, l.passed, 0
	}
	l.offset += recordHeader + len(rec.Frame)
	l.next, l.handed, l.passed = rec.Seq+1, rec.Seq, rec.At
	return rec, true, false
}

// early reports whether the record at the reader is not written yet, or a Rewind not saved: what the reader passes on must
// be here after a kill -9, and not as acknowledged, or nobody could tell how far the records had come. While the disk takes
// nothing, or does not answer, it has to go without that.
func (l *Log) early() bool {
	return l.hasWriter && l.err == nil && (l.rewound || l.offset >= l.current.written)
}

// advance moves the reader to the block with the next record, which it may have to read from a file. It reports
// false when there is no such record yet.
func (l *Log) advance() bool {
	for {
		b, end := l.seek()
		if b == nil {
			return false
		}
		var err error
		if end > 0 {
			err = l.load(&l.read, end, b)
		} else {
			l.read.close() // the file may be removed before it is needed again
		}
		if ok := l.enter(b); ok || err != nil {
			return ok
		}
	}
}

// seek returns the block in memory with the next record. Otherwise it returns an empty block, to be loaded from the
// reader's cursor up to the offset end, and nil when there is no such record yet.
func (l *Log) seek() (b *block, end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.current; b != nil && b.seg != nil && !b.queued {
		l.read.moveTo(b.seg, b.end, b.last)
		b.seg = nil
	}
	l.read.next = l.next
	b, end = l.find(&l.read)
	switch {
	case b != nil:
		l.keep(b)
	case end > 0:
		b = l.newBlock(0)
	default:
		l.pass(l.read.next)
		l.passHole()
	}
	return b, end
}

// keep keeps a block from being used again until all that the reader takes from it is settled.
func (l *Log) keep(b *block) {
	if !b.taken {
		b.taken = true
		l.taken = append(l.taken, b)
	}
	l.current, l.offset = b, len(b.buf)
}

// enter puts the reader on the first record of b that it has not passed. It reports false when there is none.
func (l *Log) enter(b *block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	offset, before := b.find(l.next)
	if !before.IsZero() {
		l.passed = before
	}
	if offset == len(b.buf) {
		l.recycle(b)
		return false
	}
	l.keep(b)
	l.offset = offset
	l.pass(seqOf(b.buf[offset:]))
	l.settle()
	l.trim()
	return true
}

// pass moves the reader to a record, over those that no file has any more.
func (l *Log) pass(seq uint64) {
	l.lost += seq - l.next
	l.next = seq
}

// find says where the record c.next is, or the first one behind it: in a block in memory, or in the files, from
// the cursor up to the offset end of its segment. Neither is the case when there is no such record yet.
func (l *Log) find(c *cursor) (b *block, end int64) {
	if len(l.queue) == 0 || c.next < l.queue[0].first {
		if s := l.segmentOf(c); s != nil && (len(l.queue) == 0 || s.first < l.queue[0].first) {
			return nil, s.end
		}
		if len(l.queue) == 0 {
			c.next = l.last + 1
			return nil, 0
		}
		c.next = l.queue[0].first
	}
	return l.inMemory(c.next), 0
}

// segmentOf returns the segment with the record c.next, or with the first one in the files behind it, and moves the cursor
// there. It returns nil when there is nothing to read.
func (l *Log) segmentOf(c *cursor) *segment {
	i, _ := slices.BinarySearchFunc(l.segments, c.next, func(s *segment, seq uint64) int {
		if s.first <= seq {
			return -1
		}
		return 1
	})
	for i = max(i-1, 0); i < len(l.segments); i++ {
		s := l.segments[i]
		if c.seg == nil || c.seg.first < s.first {
			c.moveTo(s, 0, s.first-1)
		}
		if c.seg == s && c.at < s.end {
			return s
		}
	}
	return nil
}

// inMemory returns the block of the queue with the record seq, or the first one behind it, nil if there is none.
func (l *Log) inMemory(seq uint64) *block {
	i, _ := slices.BinarySearchFunc(l.queue, seq, func(b *block, seq uint64) int {
		if b.last < seq {
			return -1
		}
		return 1
	})
	if i == len(l.queue) {
		return nil
	}
	return l.queue[i]
}

// Ack says that every record up to and including seq is settled. The mark is kept with that, for the next Open.
func (l *Log) Ack(seq uint64, mark Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = max(l.acked, min(seq, l.handed))
	l.mark = mark
	l.settle()
	l.passHole()
	l.trim()
}

// settle moves over what is acknowledged, and gives back the blocks that are behind it.
func (l *Log) settle() {
	for len(l.taken) > 0 {
		b := l.taken[0]
		for l.settled < len(b.buf) && seqOf(b.buf[l.settled:]) <= l.acked {
			l.settled += sizeOf(b.buf[l.settled:])
		}
		l.ackedEnd = b.pos + int64(l.settled)
		if l.settled < len(b.buf) || b == l.current {
			return
		}
		l.settled = 0
		l.taken = slices.Delete(l.taken, 0, 1)
		b.taken = false
		l.recycle(b)
	}
}

// passHole settles the records at the end of the log that the reader passed because the files do not have
// them any more. Nobody could acknowledge them, and the log would never be drained.
func (l *Log) passHole() {
	if l.acked >= l.handed && l.next > l.last {
		l.acked, l.ackedEnd = l.last, l.end
	}
}

// Rewind makes Next start again at the oldest record that is kept, acknowledged or not. The mark does not hold any more.
func (l *Log) Rewind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rewoundEnd = max(l.rewoundEnd, l.ackedEnd) // what was acknowledged is no reason to refuse what comes
	first, pos := l.oldest()
	l.next, l.acked, l.handed, l.ackedEnd = first, first-1, first-1, pos
	l.read.moveTo(nil, 0, 0)
	l.current, l.offset = nil, 0
	for _, b := range l.taken {
		b.taken = false // and not recycled: the reader may still look at its frames
	}
	l.taken, l.settled = nil, 0
	l.mark, l.rewound = Mark{}, true
	l.passed, l.lost = time.Time{}, 0
	for _, s := range l.segments {
		s.settled = time.Time{}
	}
	notify(l.unsaved)
	notify(l.woken)
}

// oldest returns the first record that is kept, and its place in the stream of bytes.
func (l *Log) oldest() (seq uint64, pos int64) {
	for _, s := range l.segments {
		if s.end > 0 {
			return s.first, s.base
		}
	}
	if len(l.queue) > 0 {
		return l.queue[0].first, l.queue[0].pos
	}
	return l.last + 1, l.end
}
