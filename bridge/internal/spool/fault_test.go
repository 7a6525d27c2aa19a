package spool

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestDiskFull: when the disk is full, that is said once, and the log goes on in memory. When space returns all
// of it is written.
func TestDiskFull(t *testing.T) {
	for _, space := range []int64{0, 1, recordHeader - 1, recordHeader, 100, 500, 999, 1000, 2500} { // in the first record, in a later one, in a later block
		var book logBook
		path := t.TempDir()
		left := space
		l := openByHand(t, &faulty{directory: directory(path), space: &left}, roomy(book.logger()))
		for range 10 {
			appendFrames(t, l, 10, recordSize-recordHeader)
			l.save()
			appendFrames(t, l, 10, recordSize-recordHeader)
		}
		if l.Err() == nil || book.count("level=ERROR") != 1 {
			t.Errorf("space for %d bytes: error %v, %d lines about it", space, l.Err(), book.count("level=ERROR"))
		}
		if got := rest(t, l); !slices.Equal(got, span(1, 200)) {
			t.Errorf("space for %d bytes: got %v on the full disk", space, got)
		}
		whole := openByHand(t, directory(copyDir(t, path)), roomy(book.logger()))
		if book.count("torn") > 0 {
			t.Errorf("space for %d bytes: a part of a record is in the files", space)
		}
		if got := rest(t, whole); !slices.Equal(got, span(1, uint64(len(got)))) || len(got) > int(space/recordSize) {
			t.Errorf("space for %d bytes: %v are in the files", space, got)
		}

		left = 1 << 40
		l.save()
		if l.Err() != nil || book.count("level=INFO") != 1 {
			t.Errorf("space for %d bytes, then more: error %v, %d lines about it", space, l.Err(), book.count("level=INFO"))
		}
		whole = openByHand(t, directory(copyDir(t, path)), roomy(book.logger()))
		if got := rest(t, whole); !slices.Equal(got, span(1, 200)) || whole.Damaged() > 0 || book.count("torn") > 0 {
			t.Errorf("space for %d bytes, then more: %v are in the files", space, got)
		}
	}
}

// TestMemoryIsBoundedOnAFullDisk: what the disk does not take is refused at the bound of memory, but never while the reader
// keeps up.
func TestMemoryIsBoundedOnAFullDisk(t *testing.T) {
	left := int64(0)
	opt := roomy(nil)
	opt.MemoryBytes = 8 * int64(smallSizes.block)
	path := t.TempDir()
	l := openByHand(t, &faulty{directory: directory(path), space: &left}, opt)
	for {
		l.save()
		seq := l.last + 1
		if err := l.Append(0, frame(seq, recordSize-recordHeader), timeFor(seq)); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	kept := l.last
	if size := int64(kept) * recordSize; size > opt.MemoryBytes || size < opt.MemoryBytes-recordSize {
		t.Errorf("%d bytes in memory, want about %d", size, opt.MemoryBytes)
	}

	for range 2 * smallSizes.block / recordSize { // what is acknowledged makes room by the block
		rec, _ := l.Next()
		l.Ack(rec.Seq, Mark{})
	}
	waiting, _, _ := l.Depth()
	for range 300 {
		seq := l.last + 1
		rec, _ := l.Next()
		l.Ack(rec.Seq, Mark{})
		mustAppend(t, l, frame(seq, recordSize-recordHeader), timeFor(seq))
		l.save()
	}
	if n, _, _ := l.Depth(); n != waiting {
		t.Errorf("%d records wait, want %d", n, waiting)
	}
	acked := l.acked

	// When space returns, what is not acknowledged is written, and what was forgotten is a hole that nobody minds.
	left = 1 << 40
	l.save()
	if l.Err() != nil {
		t.Fatal(l.Err())
	}
	reopened := openByHand(t, directory(copyDir(t, path)), roomy(nil))
	if got := rest(t, reopened); !slices.Equal(got, span(acked+1, l.last)) {
		t.Errorf("got %v after the restart, want %d to %d", got, acked+1, l.last)
	}
	for _, l := range []*Log{l, reopened} {
		l.Rewind()
		got := rest(t, l)
		if uint64(len(got)) >= l.last || l.Damaged() > 0 {
			t.Errorf("rewound to %d of %d records, with %d damaged places", len(got), l.last, l.Damaged())
		}
		for i, seq := range got {
			l.Ack(seq, Mark{})
			// The hole counts until it is passed.
			if _, size, _ := l.Depth(); seq > acked && size != int64(len(got)-i-1)*recordSize {
				t.Fatalf("%d acknowledged: %d bytes wait, want %d records", seq, size, len(got)-i-1)
			}
		}
	}
}

// TestFullDiskIsTriedByTheClock: not with each frame.
func TestFullDiskIsTriedByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := int64(0)
		writes := 0
		l := start(t, &faulty{directory: directory(t.TempDir()), space: &left, before: on("write", func() { writes++ })}, roomy(nil))
		for range 400 {
			appendFrames(t, l, 1, 50)
			<-time.After(10 * time.Millisecond)
		}
		synctest.Wait()
		if writes < 4 || writes > 6 {
			t.Errorf("%d writes in four seconds, want about 5", writes)
		}
		left = 1 << 40
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	})
}

// TestReleaseTellsWhatIsMissing: at the end, a disk that is still full means a loss.
func TestReleaseTellsWhatIsMissing(t *testing.T) {
	left := int64(2 * recordSize)
	l := start(t, &faulty{directory: directory(t.TempDir()), space: &left}, roomy(nil))
	appendFrames(t, l, 2, recordSize-recordHeader)
	eventually(t, func() bool { return unwrittenBytes(l) == 0 })
	appendFrames(t, l, 3, recordSize-recordHeader)
	if err := l.Release(); !errors.Is(err, errNoSpace) || !strings.Contains(err.Error(), "3 records") {
		t.Errorf("got %v, want one about 3 records", err)
	}
}

// TestAppendDuringAWrite: records that come meanwhile are in the same block and the same file, once.
func TestAppendDuringAWrite(t *testing.T) {
	path := t.TempDir()
	disk := &faulty{directory: directory(path)}
	l := openByHand(t, disk, roomy(nil))
	disk.before = on("write", func() {
		if l.last < 5 {
			appendFrames(t, l, 1, 50)
		}
	})
	appendFrames(t, l, 1, 50)
	l.save()
	l = openByHand(t, directory(path), roomy(nil))
	if got := rest(t, l); !slices.Equal(got, span(1, 5)) || segments(t, path) != 1 {
		t.Errorf("got %v from %d files, want 1 to 5 from one", got, segments(t, path))
	}
}

// TestFileIsLeftAfterAFailedSync: a system that could not write something may forget about it, so a sync that succeeds later
// proves nothing.
func TestFileIsLeftAfterAFailedSync(t *testing.T) {
	path := t.TempDir()
	var book logBook
	disk := &faulty{directory: directory(path), syncErr: errors.New("input/output error")}
	l := openByHand(t, disk, roomy(book.logger()))
	appendFrames(t, l, 3, 50)
	l.save()
	if l.Err() == nil || book.count("level=ERROR") != 1 {
		t.Errorf("error %v, %d lines about it", l.Err(), book.count("level=ERROR"))
	}
	disk.syncErr = nil
	appendFrames(t, l, 3, 50)
	l.save()
	if l.Err() != nil {
		t.Error(l.Err())
	}
	if _, ok := files(t, path)["00000000000000000004.records"]; !ok {
		t.Errorf("no file begins with record 4")
	}
	if got := rest(t, l); !slices.Equal(got, span(1, 6)) {
		t.Errorf("got %v", got)
	}
}

// TestUnreadableFile: a file that cannot be read is tried again, and when that has no end, given up.
func TestUnreadableFile(t *testing.T) {
	for _, tt := range []struct {
		name    string
		repair  bool
		want    []uint64
		damaged int64
	}{
		{"for a while", true, span(11, 35), 0},
		{"for ever", false, span(31, 35), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := spoiled(t, func(dir) {})
				disk := &faulty{directory: directory(path)}
				var book logBook
				l := start(t, disk, roomy(book.logger()))
				readUntil(t, l, 10)
				disk.onRead = func(int) error { return errors.New("input/output error") }
				appendFrames(t, l, 5, 50)
				for range 2 * readAttempts { // they are not to be used up at once
					if rec, ok := l.Next(); ok {
						t.Fatalf("got record %d of a file that cannot be read", rec.Seq)
					}
				}
				if tt.repair {
					<-time.After(3 * time.Second)
					disk.onRead = nil
				}
				if got := readUntil(t, l, 35); !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				if n := l.Damaged(); n != tt.damaged {
					t.Errorf("%d damaged places, want %d", n, tt.damaged)
				}
				if n := book.count("trying again"); n < 1 || n > 2 {
					t.Errorf("%d lines about it", n)
				}
				if err := l.Release(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestManyDamagedPlaces in one file are passed at a cost that grows with their number, not with its square.
func TestManyDamagedPlaces(t *testing.T) {
	const records = 5000
	var data []byte
	for seq := uint64(1); seq <= records; seq++ {
		data = appendRecord(data, seq, timeFor(seq), 0, frame(seq, recordSize-recordHeader))
		if seq%10 == 0 && seq < records-10 {
			data[len(data)-1] ^= 0x10
		}
	}
	path := t.TempDir()
	writeFile(t, path, (&segment{first: 1}).name(), data)
	read := 0
	l := openByHand(t, &faulty{directory: directory(path), onRead: func(n int) error { read += n; return nil }}, roomy(nil))
	if got, want := len(rest(t, l)), records-records/10+2; got != want {
		t.Errorf("got %d records, want %d", got, want)
	}
	if read > 20*len(data) {
		t.Errorf("%d bytes were read of a file of %d", read, len(data))
	}
}

// TestAllReportsAnUnreadableFile: who looks at all records to know what is there must hear that some are missing.
func TestAllReportsAnUnreadableFile(t *testing.T) {
	disk := &faulty{directory: directory(spoiled(t, func(dir) {}))}
	l := openByHand(t, disk, roomy(nil))
	broken := errors.New("input/output error")
	disk.onRead = func(int) error { return broken }
	var got error
	for _, err := range l.All() {
		got = err
	}
	if !errors.Is(got, broken) {
		t.Errorf("got %v, want %v", got, broken)
	}
}
