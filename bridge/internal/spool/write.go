package spool

import (
	"errors"
	"fmt"
)

// writer is what the one goroutine that writes owns.
type writer struct {
	seg         *segment // that is written; nil: the next record begins one
	file        file     // its file
	last        uint64   // its last record
	unsynced    bool     // something in file is not synced
	dirUnsynced bool     // the directory is not synced
	position    file
	stored      position // what is in that
}

// write writes what waits in memory.
func (l *Log) write() error {
	for {
		b, records := l.unwritten()
		if b == nil {
			return nil
		}
		if err := l.patiently(func() error { return l.writeRecords(b, records) }); err != nil {
			return err
		}
	}
}

// unwritten returns the oldest records that are not in a segment, and their block, which stays as it is until
// the next call.
func (l *Log) unwritten() (b *block, records []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = nil
	for _, b := range l.queue {
		if b.written < len(b.buf) {
			l.writing = b
			return b, b.buf[b.written:]
		}
	}
	return nil, nil
}

// writeRecords appends records of a block to the segment, or to a new one.
func (l *Log) writeRecords(b *block, records []byte) error {
	w := &l.out
	first := seqOf(records)
	if w.seg != nil && (w.seg.end >= int64(l.sizes.segment) || first != w.last+1) {
		if err := l.finishSegment(); err != nil {
			return err
		}
	}
	if w.seg == nil {
		if err := l.beginSegment(first, b.pos+int64(b.written)); err != nil {
			return err
		}
	}
	if _, err := w.file.WriteAt(records, w.seg.end); err != nil {
		// A part may be there. It is written again, and should be cut off as well in case that this process ends before.
		_ = w.file.Truncate(w.seg.end)
		return err
	}
	w.unsynced = true
	w.last = l.written(b, records)
	return nil
}

// written notes that records of a block are in the segment, and returns the last of them.
func (l *Log) written(b *block, records []byte) (last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.out.seg
	s.end += int64(len(records))
	b.written += len(records)
	b.seg, b.end = s, s.end
	notify(l.woken)
	if last = b.last; b.written < len(b.buf) {
		last = seqOf(b.buf[b.written:]) - 1
	}
	l.trim()
	return last
}

func (l *Log) beginSegment(first uint64, base int64) error {
	s := &segment{first: first, base: base}
	f, err := l.fs.create(s.name())
	if err != nil {
		return err
	}
	l.out.seg, l.out.file, l.out.last, l.out.dirUnsynced = s, f, first-1, true
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, s)
	return nil
}

// finishSegment ends the segment that is written, safe from a power cut.
func (l *Log) finishSegment() error {
	err := l.sync()
	if w := &l.out; w.seg != nil {
		err = errors.Join(err, w.file.Close())
		w.seg, w.file = nil, nil
	}
	return err
}

// sync makes what was written last through a power cut.
func (l *Log) sync() error {
	w := &l.out
	if w.unsynced {
		w.unsynced = false
		if err := w.file.Sync(); err != nil {
			// The system may have dropped what it could not write, and forget about it. What comes goes to another file.
			_ = w.file.Close()
			w.seg, w.file = nil, nil
			return fmt.Errorf("what came in the last %v may be lost by a power cut: %w", l.opt.SyncEvery, err)
		}
	}
	if w.dirUnsynced {
		if err := l.fs.sync(); err != nil {
			return err
		}
		w.dirUnsynced = false
	}
	return nil
}

// savePosition stores how far the records are acknowledged.
func (l *Log) savePosition() error {
	l.mu.Lock()
	p, rewound := position{l.acked, l.mark}, l.rewound
	l.mu.Unlock()
	if p != l.out.stored {
		if err := storePosition(l.out.position, p); err != nil {
			return fmt.Errorf("write the position: %w", err)
		}
		l.out.stored = p
	}
	if rewound {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.rewound = false
		notify(l.woken)
	}
	return nil
}

// saveRewind stores at once that the reader began anew: it waits for that.
func (l *Log) saveRewind() error {
	l.mu.Lock()
	rewound := l.rewound
	l.mu.Unlock()
	if !rewound {
		return nil
	}
	return l.savePosition()
}
