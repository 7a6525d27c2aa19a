package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

const (
	// readAttempts is how often a file is tried that cannot be read, a second apart. A disk on a network may come back.
	readAttempts = 10
	readRetry    = time.Second
)

var errUnreadable = errors.New("the file could not be read a moment ago")

// load reads the records at the cursor, up to the offset end of its segment, into b. It leaves b empty after it has skipped
// something damaged. An error means that the file cannot be read, and maybe later can.
func (l *Log) load(c *cursor, end int64, b *block) error {
	b.buf = b.buf[:0]
	if time.Now().Before(c.retry) {
		return errUnreadable
	}
	err := c.read(l.fs, end, b)
	if err == nil && len(b.buf) == 0 {
		err = l.skip(c, end)
	}
	if err == nil {
		c.failed, c.retry = 0, time.Time{}
		return nil
	}
	b.buf = b.buf[:0]
	switch c.failed++; {
	case errors.Is(err, fs.ErrNotExist) && !l.has(c.seg): // discarded a moment ago
		c.moveTo(c.seg, end, c.after)
		return nil
	case errors.Is(err, fs.ErrNotExist), c.failed == readAttempts:
		l.log.Error("spool file given up", "file", c.seg.name(), "from", c.at, "to", end, "err", err)
		l.countDamage()
		c.moveTo(c.seg, end, c.after)
		return nil
	case c.failed == 1:
		l.log.Error("spool file cannot be read, trying again", "file", c.seg.name(), "from", c.at, "err", err)
	}
	c.retry = time.Now().Add(readRetry)
	return err
}

func (l *Log) has(s *segment) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.segments, s)
}

// skip moves the cursor over a damaged place, to the next whole record.
func (l *Log) skip(c *cursor, end int64) error {
	bytes, whole, err := c.damage(end)
	if err != nil {
		return err
	}
	kept, err := l.setAside(c, bytes)
	if !errors.Is(err, fs.ErrExist) { // else it was read before
		l.log.Error("damaged record in the spool skipped", "file", c.seg.name(), "from", c.at, "bytes", len(bytes), "kept", kept, "err", err)
		l.countDamage()
	}
	to := end
	if whole {
		to = c.at + int64(len(bytes))
	}
	c.moveTo(c.seg, to, c.after)
	return nil
}

// setAside keeps bytes that are no record in a file of their own: what can be read of them may be worth something.
func (l *Log) setAside(c *cursor, bytes []byte) (name string, err error) {
	name = asideName(c)
	f, err := l.fs.create(name)
	if err != nil {
		return "", err
	}
	_, err = f.WriteAt(bytes, 0)
	return name, errors.Join(err, f.Close())
}

func asideName(c *cursor) string { return fmt.Sprintf("damaged-%020d-%d", c.seg.first, c.at) }

func (l *Log) countDamage() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damaged++
}
