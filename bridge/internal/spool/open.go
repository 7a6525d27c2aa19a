package spool

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"bridge/bridge/internal/dirlock"
)

// Open opens the log in a directory, which it makes when there is none. Next begins with the oldest record that is not known to be
// acknowledged: the note of that may be a second old, so some may have been. A torn tail is cut off, with a line in the
// log. Of the files, which may be many, only the newest is read, and the one where Next begins.
func Open(dir string, opt Options) (*Log, error) {
	lock, err := dirlock.Take(dir)
	if err != nil {
		return nil, err
	}
	l, err := open(directory(dir), opt, usualSizes)
	if err != nil {
		lock.Release()
		return nil, fmt.Errorf("open the spool in %s (BRIDGE_DATA_DIR): %w", dir, err)
	}
	l.lock = lock
	l.startWriting()
	return l, nil
}

// open returns a log without a writer.
func open(fsys fileSystem, opt Options, sz sizes) (*Log, error) {
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.SyncEvery == 0 {
		opt.SyncEvery = time.Second
	}
	sz.ahead = min(sz.ahead, int(opt.MemoryBytes/2))
	l := &Log{
		opt:      opt,
		sizes:    sz,
		fs:       fsys,
		log:      opt.Logger,
		woken:    make(chan struct{}, 1),
		unsaved:  make(chan struct{}, 1),
		released: make(chan struct{}),
		ended:    make(chan struct{}),
	}
	if err := l.recover(); err != nil {
		return nil, err
	}
	l.startReading()
	return l, nil
}

// recover finds out what is in the files.
func (l *Log) recover() error {
	found, err := l.fs.list()
	if err != nil {
		return err
	}
	for name, size := range found {
		if first, ok := segmentFirst(name); ok {
			l.segments = append(l.segments, &segment{first: first, end: size})
		}
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	for len(l.segments) > 0 && l.last == 0 {
		if err := l.recoverTail(); err != nil {
			return err
		}
	}
	for _, s := range l.segments {
		s.base = l.end
		l.end += s.end
	}
	var p position
	l.out.position, p, err = openPosition(l.fs)
	l.out.stored, l.acked, l.mark = p, p.acked, p.mark
	l.out.dirUnsynced = true // the file may be a new one
	// After a power cut the note may be ahead of the records, or far behind them.
	l.last = max(l.last, l.acked)
	if len(l.segments) > 0 {
		l.acked = max(l.acked, l.segments[0].first-1)
	}
	return err
}

// recoverTail finds the last record of the newest segment and cuts off what is behind it. A segment without a
// record is removed.
func (l *Log) recoverTail() error {
	s := l.segments[len(l.segments)-1]
	c := &cursor{}
	defer c.close()
	c.moveTo(s, 0, s.first-1)
	b := &block{buf: make([]byte, 0, l.sizes.block)}
	for c.at < s.end {
		if err := c.read(l.fs, s.end, b); err != nil {
			return err
		}
		if len(b.buf) > 0 {
			continue
		}
		bytes, whole, err := c.damage(s.end)
		if err != nil {
			return err
		}
		if !whole {
			l.cutTail(c, bytes)
			break
		}
		c.moveTo(s, c.at+int64(len(bytes)), c.after) // Next reports it
	}
	if s.end = c.at; s.end == 0 {
		l.segments = l.segments[:len(l.segments)-1]
		return l.fs.remove(s.name())
	}
	l.last = c.after
	return nil
}

// cutTail keeps what is behind the last record aside and cuts it off. Where that fails it stays: the segment is not written any
// more, and its end is known.
func (l *Log) cutTail(c *cursor, bytes []byte) {
	_ = l.fs.remove(asideName(c)) // of another segment of that name, without a record
	kept, err := l.setAside(c, bytes)
	if err == nil {
		err = errors.Join(c.file.Truncate(c.at), c.file.Sync())
	}
	l.log.Warn("torn tail of the spool cut off", "file", c.seg.name(), "from", c.at, "bytes", len(bytes), "kept", kept, "err", err)
}

// startReading puts the reader on the oldest record that is not acknowledged, so that Depth knows its place and time.
func (l *Log) startReading() {
	l.next, l.handed = l.acked+1, l.acked
	if p := l.out.stored; p.acked > 0 {
		l.next = p.acked + 1 // less than the oldest record if somebody removed files
	}
	if n := len(l.segments); l.acked == l.last && n > 0 {
		l.read.moveTo(l.segments[n-1], l.segments[n-1].end, l.last)
	}
	l.advance()
}

// Release writes what is left, stops the writer and gives the directory back. It waits for the disk, unless that hangs. An error
// says what will be missing. The log is of no use afterwards.
func (l *Log) Release() error {
	l.Close()
	close(l.released)
	var err error
	if l.ends() {
		err = l.closeFiles()
		l.lock.Release()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := uint64(0)
	for _, b := range l.queue {
		if b.written < len(b.buf) {
			n += b.last + 1 - seqOf(b.buf[b.written:])
		}
	}
	if n > 0 {
		return fmt.Errorf("%d records are not in the spool: %w", n, l.err)
	}
	return errors.Join(l.err, err)
}

// ends waits for the writer. It reports false when the disk hangs. The directory is not given back then: what hangs may
// still be written.
func (l *Log) ends() bool {
	for {
		select {
		case <-l.ended:
			return true
		case <-time.After(releasePatience):
			if l.Err() == errHangs {
				return false
			}
		}
	}
}

func (l *Log) closeFiles() error {
	l.read.close()
	err := l.out.position.Close()
	if l.out.file != nil {
		err = errors.Join(err, l.out.file.Close())
	}
	return err
}
