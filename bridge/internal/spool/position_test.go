package spool

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMark: a mark is kept over restarts, also when it alone is new.
func TestMark(t *testing.T) {
	path := t.TempDir()
	l := openByHand(t, directory(path), roomy(nil))
	appendFrames(t, l, 10, 50)
	for _, mark := range []Mark{{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}} {
		rest(t, l)
		l.Ack(10, mark)
		l.save()
		if got := openByHand(t, directory(copyDir(t, path)), roomy(nil)).Mark(); got != mark {
			t.Errorf("got %v, want %v", got, mark)
		}
		l.Rewind() // and all up to 10 is acknowledged again, before it is saved
	}
}

// TestRewindIsSavedBeforeItIsRead: after Rewind records go out again that are acknowledged in the position, and the mark does not hold
// for them. A process that is killed then must not leave the one behind it to believe that.
func TestRewindIsSavedBeforeItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		var hangs atomic.Bool
		goOn := make(chan struct{})
		l := start(t, &faulty{directory: directory(path), before: on("note", func() {
			if hangs.Load() {
				<-goOn
			}
		})}, roomy(nil))
		appendFrames(t, l, 10, 50)
		readUntil(t, l, 10)
		l.Ack(10, Mark{1, 2, 3, 4, 5})
		<-time.After(1500 * time.Millisecond) // it is saved

		hangs.Store(true)
		l.Rewind()
		synctest.Wait()
		if rec, ok := l.Next(); ok {
			t.Errorf("got record %d before the Rewind was saved", rec.Seq)
		}
		if got := l.Mark(); got != (Mark{}) {
			t.Errorf("the mark is %v, want none", got)
		}
		close(goOn)
		begin := time.Now()
		if got := readUntil(t, l, 10); !slices.Equal(got, span(1, 10)) || time.Since(begin) > writeEvery {
			t.Errorf("got %v after %v", got, time.Since(begin))
		}
		killed := openByHand(t, directory(copyDir(t, path)), roomy(nil))
		if got := rest(t, killed); !slices.Equal(got, span(1, 10)) || killed.Mark() != (Mark{}) {
			t.Errorf("after kill -9: got %v with the mark %v", got, killed.Mark())
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	})
}

// TestPositionThatCannotBeWritten is loud, and does not keep the acknowledged records for ever: it may be they that
// fill the disk.
func TestPositionThatCannotBeWritten(t *testing.T) {
	path := spoiled(t, func(dir) {})
	var book logBook
	opt := roomy(book.logger())
	opt.Retain = 0
	disk := &faulty{directory: directory(path), positionErr: errNoSpace}
	l := openByHand(t, disk, opt)
	rest(t, l)
	l.Ack(25, Mark{})
	l.save()
	if !errors.Is(l.Err(), errNoSpace) || book.count("level=ERROR") != 1 {
		t.Errorf("error %v, %d lines about it", l.Err(), book.count("level=ERROR"))
	}
	l.discard(time.Now())
	if n := segments(t, path); n != 1 {
		t.Errorf("%d segments, want the newest one only", n)
	}
	killed := openByHand(t, directory(copyDir(t, path)), roomy(nil))
	if got := rest(t, killed); !slices.Equal(got, span(21, 30)) {
		t.Errorf("after kill -9: got %v", got)
	}
	disk.positionErr = nil
	l.save()
	killed = openByHand(t, directory(copyDir(t, path)), roomy(nil))
	if got := rest(t, killed); !slices.Equal(got, span(26, 30)) || l.Err() != nil {
		t.Errorf("when it can: got %v, error %v", got, l.Err())
	}
}
