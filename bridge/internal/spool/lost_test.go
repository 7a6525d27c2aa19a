package spool

import (
	"slices"
	"testing"
	"time"
)

// TestLost: the record behind a hole says how many are missing, and since when, however they came to be missing.
func TestLost(t *testing.T) {
	type lost struct {
		seq, n uint64
		since  time.Time
	}
	for _, tt := range []struct {
		name  string
		spoil func(d dir)
		want  []lost
	}{
		{"whole", func(d dir) {}, nil},
		{"damaged records", func(d dir) { d.flip(11, 3, 50); d.flip(11, 4, 50); d.flip(21, 8, 50) }, []lost{{16, 2, timeFor(13)}, {30, 1, timeFor(28)}}},
		{"the end of a segment", func(d dir) { d.cut(11, 550) }, []lost{{21, 5, timeFor(15)}}},
		{"a segment", func(d dir) { d.remove(11) }, []lost{{21, 10, timeFor(10)}}},
		{"the first record", func(d dir) { d.flip(1, 0, 50) }, []lost{{2, 1, time.Time{}}}},
		{"the first record behind the position", func(d dir) { d.position(13); d.flip(11, 3, 50) }, []lost{{15, 1, timeFor(13)}}},
		{"segments behind the position", func(d dir) { d.position(3); d.remove(1); d.remove(11) }, []lost{{21, 17, time.Time{}}}},
		{"acknowledged ones", func(d dir) { d.position(15); d.flip(11, 3, 50) }, nil},
		{"ones that perhaps were acknowledged", func(d dir) { d.remove(1) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := openByHand(t, directory(spoiled(t, tt.spoil)), roomy(nil))
			var got []lost
			for rec, ok := l.Next(); ok; rec, ok = l.Next() {
				if rec.Lost > 0 || !rec.Since.IsZero() {
					got = append(got, lost{rec.Seq, rec.Lost, rec.Since})
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestLostAgain: what is missing is told anew after Rewind, and after a restart as long as the record behind it is not
// acknowledged.
func TestLostAgain(t *testing.T) {
	path := spoiled(t, func(d dir) { d.flip(1, 0, 50); d.flip(11, 3, 50); d.position(13) })
	check := func(when string, l *Log, want uint64) {
		t.Helper()
		n := uint64(0)
		for rec, ok := l.Next(); ok; rec, ok = l.Next() {
			n += rec.Lost
			since := time.Time{}
			if rec.Lost > 0 && rec.Seq > 2 {
				since = timeFor(13)
			}
			if !rec.Since.Equal(since) {
				t.Errorf("%s: %d records lost before %d, since %v, want %v", when, rec.Lost, rec.Seq, rec.Since, since)
			}
		}
		if n != want {
			t.Errorf("%s: got %d, want %d", when, n, want)
		}
	}
	l := openByHand(t, directory(path), roomy(nil))
	l.Rewind()
	check("rewound before it was told", l, 2)
	l.Rewind()
	check("rewound again", l, 2)
	for _, acked := range []uint64{13, 15} {
		l.Ack(acked, Mark{})
		l.save()
		l = openByHand(t, directory(path), roomy(nil))
		check("after a restart", l, (15-acked)/2)
	}
}

// TestLostAtTheEnd is told by the record that comes next.
func TestLostAtTheEnd(t *testing.T) {
	path := spoiled(t, func(dir) {})
	l := openByHand(t, directory(path), roomy(nil))
	dir{t, path}.flip(21, 9, 50)
	rest(t, l)
	appendFrames(t, l, 1, 50)
	if rec, ok := l.Next(); !ok || rec.Seq != 31 || rec.Lost != 1 || !rec.Since.Equal(timeFor(29)) {
		t.Errorf("got record %d with %d lost since %v", rec.Seq, rec.Lost, rec.Since)
	}
}
