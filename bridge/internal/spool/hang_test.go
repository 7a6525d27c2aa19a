package spool

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bridge/bridge/internal/dirlock"
)

// TestHangingDisk: a write that does not return, and gives no error, holds up nothing for longer than a second. That is
// said once.
func TestHangingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		path := t.TempDir()
		var book logBook
		l := start(t, &faulty{directory: directory(path), before: on("write", func() { <-goOn })}, roomy(book.logger()))
		begin := time.Now()
		appendFrames(t, l, 100, 50)
		synctest.Wait()
		if rec, ok := l.Next(); ok {
			t.Errorf("got record %d before it was written", rec.Seq)
		}
		if got := readUntil(t, l, 100); !slices.Equal(got, span(1, 100)) {
			t.Errorf("got %v while the disk hangs", got)
		}
		if waited := time.Since(begin); waited != patience {
			t.Errorf("waited for %v, want %v", waited, patience)
		}
		appendFrames(t, l, 1, 50)
		readUntil(t, l, 101) // at once
		<-time.After(time.Hour)
		if l.Err() == nil || book.count("level=ERROR") != 1 || book.count("level=INFO") > 0 {
			t.Errorf("error %v, %d lines about it", l.Err(), book.count("level=ERROR"))
		}
		l.Ack(50, Mark{})

		close(goOn)
		synctest.Wait()
		if l.Err() != nil || book.count("level=INFO") != 1 {
			t.Errorf("when it goes on: error %v, %d lines about that", l.Err(), book.count("level=INFO"))
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
		l = openByHand(t, directory(path), roomy(nil))
		if got := rest(t, l); !slices.Equal(got, span(51, 101)) {
			t.Errorf("got %v after the restart", got)
		}
	})
}

// TestHangingDiskOfAnyOperation: the writer may be held up by each of them.
func TestHangingDiskOfAnyOperation(t *testing.T) {
	for _, operation := range []string{"create", "write", "sync", "remove", "note"} {
		t.Run(operation, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				goOn := make(chan struct{})
				opt := roomy(nil)
				opt.Retain = 0
				disk := &faulty{directory: directory(spoiled(t, func(dir) {})), before: on(operation, func() { <-goOn })}
				l := start(t, disk, opt)
				readUntil(t, l, 30)
				l.Ack(20, Mark{})
				<-time.After(time.Millisecond)
				appendFrames(t, l, 1, 50)
				<-time.After(3 * time.Second)
				appendFrames(t, l, 1, 50)
				if rec, ok := l.Next(); !ok || rec.Seq != 31 {
					t.Errorf("got record %d, %v", rec.Seq, ok)
				}
				if rec, ok := l.Next(); !ok || rec.Seq != 32 {
					t.Errorf("got record %d, %v of what came while the disk hangs", rec.Seq, ok)
				}
				close(goOn)
				synctest.Wait()
				if l.Err() != nil {
					t.Error(l.Err())
				}
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestSlowDisk: as long as it gets on, the reader waits for what is written.
func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var book logBook
		l := start(t, &faulty{directory: directory(t.TempDir()), before: on("write", func() { <-time.After(patience - 1) })}, roomy(book.logger()))
		appendFrames(t, l, 100, 50) // many blocks
		readUntil(t, l, 100)
		if unwrittenBytes(l) > 0 || book.count("msg=") > 0 {
			t.Errorf("%d bytes are not written, %d lines", unwrittenBytes(l), book.count("msg="))
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	})
}

// TestReleaseWaitsForASlowDisk also when that had not answered for a while.
func TestReleaseWaitsForASlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := 3 * patience
		l := start(t, &faulty{directory: directory(t.TempDir()), before: on("write", func() {
			<-time.After(took)
			took = patience - 1
		})}, roomy(nil))
		appendFrames(t, l, 200, 50) // many blocks
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	})
}

// TestReleaseDoesNotWaitForAHangingDisk: a process that is told to end must end. The directory stays locked, as what hangs may
// be written later.
func TestReleaseDoesNotWaitForAHangingDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		l := start(t, &faulty{directory: directory(t.TempDir()), before: on("write", func() { <-goOn })}, roomy(nil))
		dir := t.TempDir()
		lock, err := dirlock.Take(dir)
		if err != nil {
			t.Fatal(err)
		}
		l.lock.Release()
		l.lock = lock
		appendFrames(t, l, 3, 50)
		if err := l.Release(); !errors.Is(err, errHangs) || !strings.Contains(err.Error(), "3 records") {
			t.Errorf("got %v, want one about 3 records", err)
		}
		if _, err := dirlock.Take(dir); err == nil {
			t.Error("the directory was given back")
		}
		close(goOn)
		<-l.ended
	})
}

// TestReleaseDoesNotWaitForADiskThatWasFullAndHangs: the error that is known is another one then.
func TestReleaseDoesNotWaitForADiskThatWasFullAndHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		space, hangs := int64(0), false
		l := start(t, &faulty{directory: directory(t.TempDir()), space: &space, before: on("write", func() {
			if hangs {
				<-goOn
			}
		})}, roomy(nil))
		appendFrames(t, l, 3, 50)
		synctest.Wait()
		if !errors.Is(l.Err(), errNoSpace) {
			t.Errorf("got %v, want the disk full", l.Err())
		}
		hangs = true
		if err := l.Release(); !errors.Is(err, errHangs) || !strings.Contains(err.Error(), "3 records") {
			t.Errorf("got %v, want one about 3 records", err)
		}
		close(goOn)
		<-l.ended
	})
}

// TestForgettingBesideAHangingWrite: memory that is being written is not used for other records.
func TestForgettingBesideAHangingWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		path := t.TempDir()
		opt := roomy(nil)
		opt.MemoryBytes = 4 * int64(smallSizes.block)
		l := start(t, &faulty{directory: directory(path), before: on("write", func() { <-goOn })}, opt)
		appendFrames(t, l, 1, 50)
		synctest.Wait()
		for range 100 {
			appendFrames(t, l, 5, 50)
			readUntil(t, l, l.last)
			l.Ack(l.last, Mark{})
		}
		close(goOn)
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
		var book logBook
		l = openByHand(t, directory(path), roomy(book.logger()))
		l.Rewind()
		if got := rest(t, l); got[0] != 1 || l.Damaged() > 0 || book.count("torn") > 0 {
			t.Errorf("got %v, %d damaged places, %d torn", got, l.Damaged(), book.count("torn"))
		}
	})
}
