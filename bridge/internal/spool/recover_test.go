package spool

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	recordSize = 100 // of the records below, with their header
	perSegment = 10
)

// spoiled returns a directory with three segments, of records 1 to 10, 11 to 20 and 21 to 30, after something was done to it.
func spoiled(t testing.TB, spoil func(d dir)) string {
	t.Helper()
	path := t.TempDir()
	for first := uint64(1); first <= 21; first += perSegment {
		var data []byte
		for seq := first; seq < first+perSegment; seq++ {
			data = appendRecord(data, seq, timeFor(seq), 0, frame(seq, recordSize-recordHeader))
		}
		writeFile(t, path, (&segment{first: first}).name(), data)
	}
	spoil(dir{t, path})
	return path
}

// dir is a directory to do something to. Segments go by their first sequence.
type dir struct {
	t    testing.TB
	path string
}

func (d dir) change(first uint64, f func(data []byte) []byte) {
	name := (&segment{first: first}).name()
	data, err := os.ReadFile(filepath.Join(d.path, name))
	if err != nil {
		d.t.Fatal(err)
	}
	writeFile(d.t, d.path, name, f(data))
}

func (d dir) flip(first uint64, record, offset int) {
	d.change(first, func(data []byte) []byte {
		data[record*recordSize+offset] ^= 0x10
		return data
	})
}

func (d dir) cut(first uint64, size int) {
	d.change(first, func(data []byte) []byte { return data[:size] })
}

func (d dir) put(first uint64, bytes ...byte) {
	d.change(first, func(data []byte) []byte { return append(data, bytes...) })
}

func (d dir) remove(first uint64) {
	if err := os.Remove(filepath.Join(d.path, (&segment{first: first}).name())); err != nil {
		d.t.Fatal(err)
	}
}

func (d dir) position(seq uint64) {
	f, err := directory(d.path).create(positionName)
	if err == nil {
		err = storePosition(f, position{acked: seq})
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func without(from, to uint64) []uint64 { return append(span(1, from-1), span(to+1, 30)...) }

var recoverTests = []struct {
	name    string
	spoil   func(d dir)
	want    []uint64
	torn    bool  // a tail is cut off
	damaged int64 // places
	aside   int   // bytes that are kept aside
}{
	{name: "whole", spoil: func(d dir) {}, want: span(1, 30)},
	{name: "torn in the frame", spoil: func(d dir) { d.cut(21, 970) }, want: span(1, 29), torn: true, aside: 70},
	{name: "torn in the header", spoil: func(d dir) { d.cut(21, 910) }, want: span(1, 29), torn: true, aside: 10},
	{name: "torn after a byte", spoil: func(d dir) { d.cut(21, 901) }, want: span(1, 29), torn: true, aside: 1},
	{name: "torn at a record's end", spoil: func(d dir) { d.cut(21, 900) }, want: span(1, 29)},
	{name: "torn in the first record", spoil: func(d dir) { d.cut(21, 50) }, want: span(1, 20), torn: true, aside: 50},
	{name: "an empty segment", spoil: func(d dir) { d.cut(21, 0) }, want: span(1, 20)},
	{name: "two empty segments", spoil: func(d dir) { d.cut(21, 0); d.cut(11, 0) }, want: span(1, 10)},
	{name: "zeros behind the end", spoil: func(d dir) { d.put(21, make([]byte, 5000)...) }, want: span(1, 30), torn: true, aside: 5000},
	{name: "bytes of ones behind the end", spoil: func(d dir) { d.put(21, bytes.Repeat([]byte{255}, 50)...) }, want: span(1, 30), torn: true, aside: 50},
	{name: "an old record behind the end", spoil: func(d dir) { d.put(21, appendRecord(nil, 30, timeFor(30), 0, nil)...) }, want: span(1, 30), torn: true, aside: recordHeader},
	{name: "an old record behind garbage", spoil: func(d dir) {
		d.put(21, appendRecord([]byte("garbage"), 30, timeFor(30), 0, nil)...)
	}, want: span(1, 30), torn: true, aside: 7 + recordHeader},
	{name: "the last record flipped", spoil: func(d dir) { d.flip(21, 9, 50) }, want: span(1, 29), torn: true, aside: 100},

	{name: "a frame flipped", spoil: func(d dir) { d.flip(11, 3, 50) }, want: without(14, 14), damaged: 1, aside: 100},
	{name: "a checksum flipped", spoil: func(d dir) { d.flip(11, 3, 0) }, want: without(14, 14), damaged: 1, aside: 100},
	{name: "a sequence flipped", spoil: func(d dir) { d.flip(11, 3, 8) }, want: without(14, 14), damaged: 1, aside: 100},
	{name: "a time flipped", spoil: func(d dir) { d.flip(11, 3, 20) }, want: without(14, 14), damaged: 1, aside: 100},
	{name: "a length too long", spoil: func(d dir) { d.flip(11, 3, 5) }, want: without(14, 14), damaged: 1, aside: 100},
	{name: "a length too short", spoil: func(d dir) { d.change(11, func(b []byte) []byte { b[304] -= 9; return b }) }, want: without(14, 14), damaged: 1, aside: 100},
	{name: "a length of gigabytes", spoil: func(d dir) { d.flip(11, 3, 7) }, want: without(14, 14), damaged: 1, aside: 100},
	{name: "a record of the newest segment flipped", spoil: func(d dir) { d.flip(21, 3, 50) }, want: without(24, 24), damaged: 1, aside: 100},
	{name: "a length in the newest segment flipped", spoil: func(d dir) { d.flip(21, 3, 6) }, want: without(24, 24), damaged: 1, aside: 100},
	{name: "the very first record flipped", spoil: func(d dir) { d.flip(1, 0, 50) }, want: without(1, 1), damaged: 1, aside: 100},
	{name: "the last record of an older segment flipped", spoil: func(d dir) { d.flip(1, 9, 50) }, want: without(10, 10), damaged: 1, aside: 100},
	{name: "two neighbours flipped", spoil: func(d dir) { d.flip(11, 3, 50); d.flip(11, 4, 50) }, want: without(14, 15), damaged: 1, aside: 200},
	{name: "two records flipped", spoil: func(d dir) { d.flip(11, 3, 50); d.flip(1, 3, 50) }, want: slices.Concat(span(1, 3), span(5, 13), span(15, 30)), damaged: 2, aside: 200},
	{name: "an older segment cut", spoil: func(d dir) { d.cut(11, 550) }, want: without(16, 20), damaged: 1, aside: 50},
	{name: "an older segment empty", spoil: func(d dir) { d.cut(11, 0) }, want: without(11, 20)},
	{name: "bytes lost in the middle", spoil: func(d dir) { d.change(11, func(b []byte) []byte { return slices.Delete(b, 350, 363) }) }, want: without(14, 14), damaged: 1, aside: 87},
	{name: "a record twice", spoil: func(d dir) { d.change(11, func(b []byte) []byte { return slices.Concat(b[:400], b[300:]) }) }, want: span(1, 30), damaged: 1, aside: 100},
	{name: "zeros for a whole segment", spoil: func(d dir) { d.change(11, func(b []byte) []byte { clear(b); return b }) }, want: without(11, 20), damaged: 1, aside: 1000},

	{name: "a segment missing", spoil: func(d dir) { d.remove(11) }, want: without(11, 20)},
	{name: "the oldest missing", spoil: func(d dir) { d.remove(1) }, want: span(11, 30)},
	{name: "files of others", spoil: func(d dir) {
		for _, name := range []string{"1.records", "x.records", "00000000000000000000.records", "0000000000000000000x.records", "notes"} {
			writeFile(d.t, d.path, name, []byte("x"))
		}
	}, want: span(1, 30)},

	{name: "a position", spoil: func(d dir) { d.position(14) }, want: span(15, 30)},
	{name: "a position at the end", spoil: func(d dir) { d.position(30) }},
	{name: "a position ahead of the records", spoil: func(d dir) { d.position(99) }},
	{name: "a position before the records", spoil: func(d dir) { d.position(3); d.remove(1) }, want: span(11, 30)},
	{name: "a position at a damaged record", spoil: func(d dir) { d.position(13); d.flip(11, 3, 50) }, want: span(15, 30), damaged: 1, aside: 100},
	{name: "a position cut off", spoil: func(d dir) { writeFile(d.t, d.path, positionName, []byte("12345")) }, want: span(1, 30)},
	{name: "a position that was flipped", spoil: func(d dir) { writeFile(d.t, d.path, positionName, []byte("123456781234")) }, want: span(1, 30)},
}

// TestRecover opens what a crash, a disk or an operator may leave behind. Every record that is whole is read, what is not is
// kept aside, and the log goes on.
func TestRecover(t *testing.T) {
	for _, tt := range recoverTests {
		t.Run(tt.name, func(t *testing.T) {
			path := spoiled(t, tt.spoil)
			var book logBook
			l := openByHand(t, directory(path), roomy(book.logger()))
			if got := rest(t, l); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if missing := len(tt.want) > 1 && tt.want[len(tt.want)-1]-tt.want[0] >= uint64(len(tt.want)); missing && book.count("records are missing") == 0 {
				t.Error("nothing in the log about missing records")
			}
			if got := l.Damaged(); got != tt.damaged {
				t.Errorf("%d damaged places, want %d", got, tt.damaged)
			}
			if got := book.count("torn tail") > 0; got != tt.torn {
				t.Errorf("torn tail in the log: %v, want %v", got, tt.torn)
			}
			aside := 0
			for name, data := range files(t, path) {
				if strings.HasPrefix(name, "damaged-") {
					aside += len(data)
				}
			}
			if aside != tt.aside {
				t.Errorf("%d bytes are kept aside, want %d", aside, tt.aside)
			}

			// What comes next is in the log, and found again with the rest.
			appendFrames(t, l, 5, 60)
			added := span(l.last-4, l.last)
			if got := rest(t, l); !slices.Equal(got, added) {
				t.Errorf("after the appends: got %v, want %v", got, added)
			}
			l.save()
			if err := l.Err(); err != nil {
				t.Fatal(err)
			}
			book = logBook{}
			l = openByHand(t, directory(path), roomy(book.logger()))
			if got, want := rest(t, l), append(slices.Clone(tt.want), added...); !slices.Equal(got, want) {
				t.Errorf("opened again: got %v, want %v", got, want)
			}
			if n := l.Damaged() + int64(book.count("torn tail")); n > 0 {
				t.Errorf("opened again: reported once more")
			}
			l.Close()
			l.Ack(l.last, Mark{})
			if !l.Drained() {
				t.Error("not drained when all is acknowledged")
			}
		})
	}
}

// TestOpenReadsLittle: of files that may be many it reads the newest one, and a block of the one where Next begins.
func TestOpenReadsLittle(t *testing.T) {
	path := t.TempDir()
	l := openByHand(t, directory(path), roomy(nil))
	appendFrames(t, l, 10_000, recordSize-recordHeader)
	l.save()
	l = openByHand(t, directory(path), roomy(nil))
	newest := l.segments[len(l.segments)-1].end
	read := int64(0)
	count := func(n int) error { read += int64(n); return nil }
	l = openByHand(t, &faulty{directory: directory(path), onRead: count}, roomy(nil))
	if n, size, _ := l.Depth(); n != 10_000 || size != 10_000*recordSize {
		t.Errorf("%d records of %d bytes wait", n, size)
	}
	if most := 2 * (newest + int64(smallSizes.block)); read > most { // blocks overlap
		t.Errorf("%d bytes were read, want at most %d", read, most)
	}
}

// TestDamageAtTheEndDoesNotHoldTheDrain: a last record that is damaged while the log is open can never be acknowledged, and must not
// be waited for.
func TestDamageAtTheEndDoesNotHoldTheDrain(t *testing.T) {
	for _, ackLate := range []bool{true, false} {
		path := spoiled(t, func(dir) {})
		l := openByHand(t, directory(path), roomy(nil))
		dir{t, path}.flip(21, 9, 50)
		l.Close()
		var last uint64
		for rec, ok := l.Next(); ok; rec, ok = l.Next() {
			if last = rec.Seq; !ackLate {
				l.Ack(last, Mark{})
			}
		}
		if l.Drained() == ackLate {
			t.Errorf("acks to come: %v, drained: %v", ackLate, l.Drained())
		}
		l.Ack(last, Mark{})
		if !l.Drained() {
			t.Errorf("not drained when all up to %d is acknowledged", last)
		}
	}
}

// FuzzRecover overwrites a part of three segments and cuts them. Every record that was not touched must be read, as it was.
func FuzzRecover(f *testing.F) {
	f.Add(uint16(450), []byte("x"), uint16(3000))
	f.Add(uint16(1000), make([]byte, 300), uint16(2999))
	f.Add(uint16(2500), binary.LittleEndian.AppendUint32([]byte("crc "), 400), uint16(2950))
	f.Add(uint16(1304), []byte{0, 0, 0, 4}, uint16(2024))
	f.Fuzz(func(t *testing.T, at uint16, over []byte, size uint16) {
		path := spoiled(t, func(dir) {})
		var want []uint64
		var touched []bool // by record
		var all []byte
		for first := uint64(1); first <= 21; first += perSegment {
			data := files(t, path)[(&segment{first: first}).name()]
			all = append(all, data...)
		}
		whole := bytes.Clone(all)
		if int(at) < len(all) {
			copy(all[at:], over)
		}
		end := min(int(size), len(all))
		for i := range 30 {
			a, z := i*recordSize, (i+1)*recordSize
			touched = append(touched, z > end || !bytes.Equal(all[a:z], whole[a:z]))
			if !touched[i] {
				want = append(want, uint64(i+1))
			}
		}
		for i := range end {
			if intact(all[i:end]) && (i%recordSize > 0 || touched[i/recordSize]) {
				t.Skip("a record that was made up is a record")
			}
		}
		for i := range 3 {
			a, z := min(i*1000, end), min((i+1)*1000, end)
			writeFile(t, path, (&segment{first: uint64(i*perSegment + 1)}).name(), all[a:z])
		}

		l := openByHand(t, directory(path), roomy(nil))
		if got := rest(t, l); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		appendFrames(t, l, 1, 60)
		if got := rest(t, l); len(got) != 1 {
			t.Errorf("got %v of one more", got)
		}
		l.Close()
		l.Ack(l.last, Mark{})
		if !l.Drained() {
			t.Error("not drained when all is acknowledged")
		}
	})
}
