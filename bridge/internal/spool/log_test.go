package spool

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAppendRefusesAtMaxBytes(t *testing.T) {
	opt := roomy(nil)
	opt.MaxBytes = 1000
	l := openByHand(t, directory(t.TempDir()), opt)
	appendFrames(t, l, 9, recordSize-recordHeader)
	for _, tt := range []struct {
		size int
		want error
	}{
		{recordSize - recordHeader + 1, ErrFull}, // what is older stays
		{recordSize - recordHeader, nil},
		{0, ErrFull},
	} {
		seq := l.last + 1
		if err := l.Append(0, frame(seq, tt.size)[:tt.size], timeFor(seq)); !errors.Is(err, tt.want) {
			t.Errorf("append %d bytes: got %v, want %v", tt.size, err, tt.want)
		}
	}
	if got := rest(t, l); !slices.Equal(got, span(1, 10)) {
		t.Errorf("got %v", got)
	}
	l.Ack(1, Mark{})
	appendFrames(t, l, 1, recordSize-recordHeader)
	l.Close()
	if err := l.Append(0, nil, time.Now()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v, want %v", err, ErrClosed)
	}
	if err := openByHand(t, directory(t.TempDir()), roomy(nil)).Append(0, make([]byte, maxFrame+1), time.Now()); !errors.Is(err, errTooLong) {
		t.Errorf("a frame that is too long: got %v", err)
	}
}

// TestAckOfWhatWasNotRead: only what Next returned can be settled.
func TestAckOfWhatWasNotRead(t *testing.T) {
	l := openByHand(t, directory(t.TempDir()), roomy(nil))
	appendFrames(t, l, 3, 50)
	l.Next()
	l.Ack(99, Mark{})
	if n, _, _ := l.Depth(); n != 2 {
		t.Errorf("%d records wait, want 2", n)
	}
}

// TestWoken: whoever waits hears of a record, of the end, and of a rewind.
func TestWoken(t *testing.T) {
	l := openByHand(t, directory(t.TempDir()), roomy(nil))
	for _, tt := range []struct {
		name string
		do   func()
	}{
		{"nothing", nil},
		{"append", func() { appendFrames(t, l, 1, 50) }},
		{"rewind", l.Rewind},
		{"close", l.Close},
	} {
		if tt.do != nil {
			tt.do()
		}
		select {
		case <-l.Woken():
			if tt.do == nil {
				t.Errorf("woken by %s", tt.name)
			}
		default:
			if tt.do != nil {
				t.Errorf("not woken by %s", tt.name)
			}
		}
	}
}

// TestOldest: the age of the oldest record that is not acknowledged is known wherever that is.
func TestOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := t.TempDir()
		l := openByHand(t, directory(path), roomy(nil))
		age := func() time.Duration { _, _, age := l.Depth(); return age }
		check := func(when string, want time.Duration) {
			t.Helper()
			if got := age(); got != want {
				t.Errorf("%s: got %v, want %v", when, got, want)
			}
		}
		check("empty", 0)
		for range 100 {
			mustAppend(t, l, make([]byte, recordSize-recordHeader), time.Now())
			<-time.After(time.Second)
		}
		check("nothing read", 100*time.Second)
		for range 50 {
			l.Next()
		}
		check("nothing acknowledged", 100*time.Second)
		l.Ack(20, Mark{})
		check("20 acknowledged", 80*time.Second)
		l.Ack(50, Mark{})
		check("all acknowledged that were read", 50*time.Second)
		l.save()
		l = openByHand(t, directory(path), roomy(nil))
		check("opened again", 50*time.Second)
		for range 50 {
			rec, _ := l.Next()
			l.Ack(rec.Seq, Mark{})
			if want := time.Duration(100-rec.Seq) * time.Second; age() < want || age() > want+time.Second {
				t.Errorf("%d acknowledged: got %v, want %v", rec.Seq, age(), want)
			}
		}
		check("all acknowledged", 0)
		mustAppend(t, l, nil, time.Now().Add(time.Hour)) // then the clock was set back
		check("from the future", 0)
		l.Rewind()
		check("unknown", 0)
	})
}

// TestAcknowledgedRecordsAreRetained: Rewind offers them again until the time is over, then their files are removed.
func TestAcknowledgedRecordsAreRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opt := roomy(nil)
		opt.Retain = 5 * time.Minute
		path := t.TempDir()
		l := start(t, directory(path), opt)
		appendFrames(t, l, 100, recordSize-recordHeader)
		readUntil(t, l, 100)
		<-time.After(time.Hour)
		if n := segments(t, path); n < 2 {
			t.Fatalf("%d segments while nothing is acknowledged", n)
		}
		l.Ack(100, Mark{})
		<-time.After(4 * time.Minute)
		l.Rewind()
		if got := readUntil(t, l, 100); !slices.Equal(got, span(1, 100)) {
			t.Errorf("after four minutes: got %v", got)
		}
		<-time.After(time.Hour)
		if n := segments(t, path); n < 2 {
			t.Errorf("%d segments, but after Rewind nothing is acknowledged", n)
		}
		l.Ack(100, Mark{})
		<-time.After(4 * time.Minute)
		if n := segments(t, path); n < 2 {
			t.Errorf("%d segments four minutes after the ack", n)
		}
		l.Hold(true)
		<-time.After(time.Hour)
		if n := segments(t, path); n < 2 {
			t.Errorf("%d segments, but they were to stay", n)
		}
		l.Hold(false)
		<-time.After(2 * time.Minute)
		if n := segments(t, path); n != 1 {
			t.Errorf("%d segments, want the last one only", n)
		}
		l.Rewind()
		if got := readUntil(t, l, 100); len(got) > 50 {
			t.Errorf("after ten minutes: got %v", got)
		}
		l.Ack(100, Mark{})
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}

		// After a restart the time begins anew, and sequences go on when no record is left.
		l = start(t, directory(path), opt)
		<-time.After(6 * time.Minute)
		if n := segments(t, path); n != 0 {
			t.Errorf("%d segments six minutes after a restart", n)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
		l = start(t, directory(path), opt)
		appendFrames(t, l, 1, 50)
		if got := readUntil(t, l, 101); !slices.Equal(got, span(101, 101)) {
			t.Errorf("got %v after a restart, want 101", got)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRetainedRecordsMakeRoom: the bound of the files counts more than the time of retention.
func TestRetainedRecordsMakeRoom(t *testing.T) {
	opt := roomy(nil)
	opt.MaxBytes = 4 * int64(smallSizes.segment)
	path := t.TempDir()
	l := openByHand(t, directory(path), opt)
	for range 100 {
		appendFrames(t, l, 10, recordSize-recordHeader)
		got := rest(t, l)
		l.Ack(got[len(got)-1], Mark{})
		l.save()
		l.discard(time.Now())
	}
	if n := segments(t, path); n < 4 || n > 5 {
		t.Errorf("%d segments, want 4 or 5", n)
	}
}

// TestRewindRefusesNothing: records that were acknowledged before are no reason to refuse what comes.
func TestRewindRefusesNothing(t *testing.T) {
	opt := roomy(nil)
	opt.MaxBytes = 10 * recordSize
	l := openByHand(t, directory(t.TempDir()), opt)
	appendFrames(t, l, 10, recordSize-recordHeader)
	rest(t, l)
	l.Ack(8, Mark{})
	l.Rewind()
	l.Rewind()
	appendFrames(t, l, 8, recordSize-recordHeader)
	if err := l.Append(0, nil, time.Now()); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the bound: got %v, want %v", err, ErrFull)
	}
	rest(t, l)
	l.Ack(18, Mark{})
	appendFrames(t, l, 10, recordSize-recordHeader)
	if err := l.Append(0, nil, time.Now()); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the bound: got %v, want %v", err, ErrFull)
	}
}

// TestAllBesideDiscard: records whose time is over while All is at work are no loss.
func TestAllBesideDiscard(t *testing.T) {
	var book logBook
	opt := roomy(book.logger())
	opt.Retain = 0
	l := openByHand(t, directory(spoiled(t, func(dir) {})), opt)
	rest(t, l)
	l.Ack(30, Mark{})
	l.save()
	n := 0
	for _, err := range l.All() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 7 {
			l.discard(time.Now())
		}
	}
	if n < 7 || n > perSegment {
		t.Errorf("%d records", n)
	}
	if l.Damaged() > 0 || book.count("msg=") > 0 {
		t.Errorf("%d damaged places, %d lines", l.Damaged(), book.count("msg="))
	}
}

// TestAllLeavesNextAlone also passes through files and memory.
func TestAllLeavesNextAlone(t *testing.T) {
	l := openByHand(t, directory(spoiled(t, func(d dir) { d.position(14) })), roomy(nil))
	appendFrames(t, l, 20, 50)
	l.Next()
	var got []uint64
	for rec, err := range l.All() {
		if err != nil {
			t.Fatal(err)
		}
		checkRecord(t, rec)
		got = append(got, rec.Seq)
	}
	if !slices.Equal(got, span(1, 50)) {
		t.Errorf("got %v", got)
	}
	if got := rest(t, l); !slices.Equal(got, span(16, 50)) {
		t.Errorf("next gives %v", got)
	}
}

func segments(t testing.TB, path string) (n int) {
	for name := range files(t, path) {
		if strings.HasSuffix(name, segmentSuffix) {
			n++
		}
	}
	return n
}

// TestMemoryStaysFlat appends many times what may be in memory, as in an outage, then reads it all while more comes.
func TestMemoryStaysFlat(t *testing.T) {
	const frames, size = 100_000, 2_000 // 200 MB
	l, err := Open(t.TempDir(), Options{MaxBytes: 1 << 30, MemoryBytes: 16 << 20, Retain: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	check := func(when string) {
		t.Helper()
		if more := int64(heap() - before); more > 40<<20 {
			t.Errorf("%s: %d MB more in memory, want at most 40", when, more>>20)
		}
	}
	f := make([]byte, size)
	at := time.Now()
	for range frames {
		for l.Append(0, f, at) != nil {
			runtime.Gosched() // faster than the disk
		}
	}
	eventually(t, func() bool { return unwrittenBytes(l) == 0 })
	check("after an outage")

	n := 0
	for rec, err := range l.All() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; rec.Seq == frames/2 {
			check("in the middle of all")
		}
	}
	if n != frames {
		t.Errorf("all are %d records, want %d", n, frames)
	}

	for n := 1; n <= 2*frames; n++ {
		rec, ok := l.Next()
		if !ok {
			t.Fatalf("no record %d", n)
		}
		if rec.Seq != uint64(n) {
			t.Fatalf("got record %d, want %d", rec.Seq, n)
		}
		if n <= frames {
			for l.Append(0, f, at) != nil {
				runtime.Gosched()
			}
		}
		if n > 1000 {
			l.Ack(rec.Seq-1000, Mark{})
		}
		if n == frames/2 || n == frames {
			check("while it drains")
		}
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	check("at the end")
}

func unwrittenBytes(l *Log) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.queue {
		n += len(b.buf) - b.written
	}
	return n
}

// eventually waits until something is so, which takes as long as it takes.
func eventually(t testing.TB, so func() bool) {
	for !so() {
		if t.Context().Err() != nil {
			t.Fatal("in vain")
		}
		runtime.Gosched()
	}
}

// TestAtOnce appends, reads, acknowledges and writes at the same time.
func TestAtOnce(t *testing.T) {
	const frames = 5_000
	opt := roomy(nil)
	opt.SyncEvery = time.Millisecond
	opt.Retain = 5 * time.Millisecond
	opt.MaxBytes = 64 << 10
	l := start(t, directory(t.TempDir()), opt)
	go func() {
		for seq := uint64(1); seq <= frames; seq++ {
			f := frame(seq, int(seq%300))
			for errors.Is(l.Append(0, f, timeFor(seq)), ErrFull) {
				runtime.Gosched()
			}
		}
		l.Close()
	}()
	var held []Record
	want := uint64(1)
	for !l.Drained() {
		rec, ok := l.Next()
		if !ok {
			if n := len(held); n > 0 {
				l.Ack(held[n-1].Seq, Mark{})
				held = held[:0]
			} else if !l.Drained() {
				<-l.Woken()
			}
			continue
		}
		if rec.Seq != want {
			t.Fatalf("got record %d, want %d", rec.Seq, want)
		}
		want++
		if held = append(held, rec); len(held) == 100 {
			for _, rec := range held {
				checkRecord(t, rec) // the frames are good until now
			}
			l.Depth()
			l.Ack(held[49].Seq, Mark{})
			held = append(held[:0], held[50:]...)
		}
	}
	if want != frames+1 {
		t.Errorf("drained after %d records, want %d", want-1, frames)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}
