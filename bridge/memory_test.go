package bridge

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"bridge/bridge/internal/spool"
)

// TestQueueGivesWhatItTook appends frames of all sizes at random, reads, acknowledges and rewinds at
// random, and compares every record with what was appended.
func TestQueueGivesWhatItTook(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	q := newMemory(64 << 20)
	var frames [][]byte // frames[i] has seq i+1
	next, acked := uint64(1), uint64(0)
	for step := range 20000 {
		switch rng.IntN(4) {
		case 0, 1:
			frame := make([]byte, rng.IntN(2000))
			if rng.IntN(500) == 0 {
				frame = make([]byte, rng.IntN(3*chunkBytes))
			}
			for i := range frame {
				frame[i] = byte(len(frames) + i)
			}
			if err := q.Append(0, frame, time.Now()); err != nil {
				t.Fatal(err)
			}
			frames = append(frames, frame)
		case 2:
			rec, ok := q.Next()
			if ok != (next <= uint64(len(frames))) {
				t.Fatalf("step %d: next is %v with %d of %d read", step, ok, next-1, len(frames))
			}
			if !ok {
				continue
			}
			if rec.Seq != next || !bytes.Equal(rec.Frame, frames[rec.Seq-1]) {
				t.Fatalf("step %d: got record %d of %d bytes, want %d of %d bytes", step, rec.Seq, len(rec.Frame), next, len(frames[next-1]))
			}
			next++
		case 3:
			if next-1 > acked {
				acked += uint64(rng.IntN(int(next - acked)))
				q.Ack(acked, spool.Mark{})
			}
			if rng.IntN(1000) == 0 {
				q.Rewind()
				rec, ok := q.Next()
				if !ok {
					continue
				}
				if rec.Seq > acked+1 {
					t.Fatalf("step %d: rewound to %d, but only %d are acknowledged", step, rec.Seq, acked)
				}
				next, acked = rec.Seq+1, rec.Seq-1
			}
		}
		var bytes int64
		for _, f := range frames[acked:] {
			bytes += int64(len(f))
		}
		if n, b, _ := q.Depth(); n != len(frames)-int(acked) || b != bytes {
			t.Fatalf("step %d: depth is %d records, %d bytes, want %d, %d", step, n, b, len(frames)-int(acked), bytes)
		}
	}
}

func TestQueueRefusesWhenFull(t *testing.T) {
	q := newMemory(10)
	for _, tt := range []struct {
		frame string
		want  error
	}{
		{"123456", nil},
		{"12345", spool.ErrFull}, // the older frame stays
		{"1234", nil},
	} {
		if err := q.Append(0, []byte(tt.frame), time.Now()); !errors.Is(err, tt.want) {
			t.Errorf("append %q: got %v, want %v", tt.frame, err, tt.want)
		}
	}
	q.Ack(1, spool.Mark{})
	if err := q.Append(0, []byte("123456"), time.Now()); err != nil {
		t.Errorf("after an ack there is room: %v", err)
	}
}

// TestQueueInMemoryIsSaid: at the start, and by a word that does not speak of a disk when it is full.
func TestQueueInMemoryIsSaid(t *testing.T) {
	log := shownOnFailure(t)
	q, err := openQueue(Config{QueueMaxBytes: 1}, nil, logTo(log))
	if err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "dies with the process") || !strings.Contains(text, "BRIDGE_DATA_DIR") {
		t.Errorf("got %q, want a warning with the remedy", text)
	}
	if err := q.Append(kindFrame, []byte("[]"), time.Now()); err == nil || err.Error() != "queue full" {
		t.Errorf("got %v, want queue full", err)
	}
}

// TestQueueMemoryIsBounded passes many times the retained bytes through the queue, while a backlog is worked off
// twice as fast as new frames come. Nothing of it is held in the end.
func TestQueueMemoryIsBounded(t *testing.T) {
	q := newMemory(64 << 20)
	frame := make([]byte, 20_000)
	add := func() {
		if err := q.Append(0, frame, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3000 {
		add()
	}
	for range 10_000 {
		add()
		for range 2 {
			if rec, ok := q.Next(); ok {
				q.Ack(rec.Seq, spool.Mark{})
			}
		}
	}
	held := 0
	for _, c := range q.chunks[:cap(q.chunks)] { // also what is behind the end, which nobody sees and nobody frees
		if c != nil {
			held += cap(c.buf)
		}
	}
	if most := retainBytes + 2*chunkBytes; held > most {
		t.Errorf("%d bytes held, want at most %d", held, most)
	}
}

func BenchmarkQueue(b *testing.B) {
	q := newMemory(64 << 20)
	frame := make([]byte, 190*100)
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		_ = q.Append(0, frame, time.Now())
		rec, _ := q.Next()
		q.Ack(rec.Seq, spool.Mark{})
	}
}
