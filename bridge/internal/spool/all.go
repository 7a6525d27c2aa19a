package spool

import "iter"

// All returns the records that are kept, oldest first, acknowledged or not, and leaves Next where it is. A frame is good until the
// next one. What is lost is told by Next only. An error, the last thing it gives, means that a file could not be read.
func (l *Log) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		l.mu.Lock()
		c := cursor{}
		c.next, _ = l.oldest()
		last := l.last
		l.mu.Unlock()
		defer c.close()
		run := &block{buf: make([]byte, 0, l.sizes.block)}
		for c.next <= last {
			if err := l.copyRun(&c, run); err != nil {
				yield(Record{}, err)
				return
			}
			for at := 0; at < len(run.buf); at += sizeOf(run.buf[at:]) {
				rec := recordOf(run.buf[at:])
				if rec.Seq < c.next {
					continue
				}
				c.next = rec.Seq + 1
				if rec.Seq > last || !yield(rec, nil) {
					return
				}
			}
		}
	}
}

// copyRun copies the records from c.next on into run, as many as are together. There may be none, where a file is damaged.
func (l *Log) copyRun(c *cursor, run *block) error {
	run.buf = run.buf[:0]
	l.mu.Lock()
	b, end := l.find(c)
	if b != nil {
		run.buf = append(run.buf, b.buf...)
	}
	l.mu.Unlock()
	if end == 0 {
		return nil
	}
	return l.load(c, end, run)
}
