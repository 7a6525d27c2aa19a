package spool

import (
	"fmt"
	"io"
	"time"
)

// cursor is a place in the files, owned by one reader.
type cursor struct {
	next  uint64   // the lowest sequence that is looked for
	seg   *segment // nil: to be found
	at    int64    // offset of a record in seg
	after uint64   // the records from there on have sequences above it

	file   file // of the segment opened
	opened *segment

	failed int       // how often reading here failed in a row
	retry  time.Time // when it may be tried again
}

func (c *cursor) moveTo(s *segment, at int64, after uint64) {
	c.seg, c.at, c.after = s, at, after
	c.failed, c.retry = 0, time.Time{}
}

func (c *cursor) close() {
	if c.file != nil {
		_ = c.file.Close()
	}
	c.file, c.opened = nil, nil
}

// read reads the records at the cursor, up to the offset end of its segment, into b, as many as fit, and moves the
// cursor behind them. b is empty when what is there is damaged.
func (c *cursor) read(fs fileSystem, end int64, b *block) error {
	if c.opened != c.seg {
		c.close()
		f, err := fs.open(c.seg.name())
		if err != nil {
			return err
		}
		c.file, c.opened = f, c.seg
	}
	buf, err := readAt(c.file, b.buf[:min(end-c.at, int64(cap(b.buf)))], c.at)
	if err != nil {
		return err
	}
	if size, ok := longer(buf); ok && c.at+size <= end {
		if buf, err = readAt(c.file, make([]byte, size), c.at); err != nil {
			return err
		}
	}
	size, last := prefix(buf, c.after)
	b.buf = buf[:size]
	if size == 0 {
		return nil
	}
	b.first, b.last, b.pos, b.written = seqOf(buf), last, c.seg.base+c.at, size
	c.at, c.after = c.at+int64(size), last
	return nil
}

// longer returns the size of the record at the beginning of buf, if it goes on behind buf's end.
func longer(buf []byte) (size int64, ok bool) {
	if len(buf) < recordHeader || sizeOf(buf) <= len(buf) || sizeOf(buf) > recordHeader+maxFrame {
		return 0, false
	}
	return int64(sizeOf(buf)), true
}

// firstLook is how many bytes are read at first to find the next record behind damage.
const firstLook = 4 << 10

// damage returns the bytes from the cursor, where no record is, to the next one. whole is false when there is
// none before the offset end.
func (c *cursor) damage(end int64) (bytes []byte, whole bool, err error) {
	for n := int64(firstLook); ; n *= 2 { // a file with many damaged places is not read to its end for each
		buf, err := readAt(c.file, make([]byte, min(n, end-c.at)), c.at)
		if err != nil {
			return nil, false, err
		}
		if i := c.search(buf); i < len(buf) {
			return buf[:i], true, nil
		}
		if n >= end-c.at {
			return buf, false, nil
		}
	}
}

// search returns where in buf, which was read at the cursor, the first record is, the end of buf when there is none.
func (c *cursor) search(buf []byte) int {
	for i := 1; i+recordHeader <= len(buf); i++ {
		// A segment has no holes when it is written, so the place bounds the sequence. Few bytes pass for one, and a
		// checksum is rarely computed in vain.
		most := c.seg.first + uint64(c.at+int64(i))/recordHeader
		if seq := seqOf(buf[i:]); seq > c.after && seq <= most && intact(buf[i:]) {
			return i
		}
	}
	return len(buf)
}

// readAt fills buf from an offset of a file. It returns less where the file is shorter.
func readAt(f file, buf []byte, at int64) ([]byte, error) {
	n, err := f.ReadAt(buf, at)
	if err == io.EOF {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return buf[:n], nil
}
