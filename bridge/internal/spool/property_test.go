package spool

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	firstSeed = flag.Uint64("seed", 0, "the first seed of TestLogGivesWhatItTook and TestPowerCut")
	seeds     = flag.Uint64("seeds", 12, "how many they take")
)

// TestLogGivesWhatItTook does at random what a log is there for: append, write, read, acknowledge, rewind, discard, on a disk that is
// full at times, with restarts and kill -9 in between, and holds it to a plain slice.
func TestLogGivesWhatItTook(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			m := &model{t: t, rng: rand.New(rand.NewPCG(seed, seed)), dir: t.TempDir(), gone: make(map[uint64]bool)}
			m.open()
			for m.step = range 3000 {
				m.any()
			}
			m.restart()
			m.drain()
		})
	}
}

// model is a log and what should be in it.
type model struct {
	t    *testing.T
	rng  *rand.Rand
	dir  string
	step int

	l     *Log
	disk  *faulty
	space int64

	frames [][]byte // frames[i] has seq i+1
	next   uint64   // that Next should return
	acked  uint64
	mark   Mark
	known  position        // acked and mark, as they were last saved
	saved  uint64          // records up to this one are in the files
	gone   map[uint64]bool // discarded, or acknowledged on a full disk and so not in the files after kill -9
}

func (m *model) fatalf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("step %d: %s", m.step, fmt.Sprintf(format, args...))
}

func (m *model) open() {
	m.t.Helper()
	m.space = 1 << 40
	m.disk = &faulty{directory: directory(m.dir), space: &m.space}
	m.l = openByHand(m.t, m.disk, roomy(nil))
}

func (m *model) any() {
	switch n := m.rng.IntN(1000); {
	case n < 390:
		m.append()
	case n < 690:
		m.read()
	case n < 810:
		m.ack()
	case n < 905:
		m.write()
	case n < 945:
		m.save()
	case n < 955:
		m.rewind()
	case n < 960:
		m.all()
	case n < 970:
		m.space = int64(m.rng.IntN(3000))
	case n < 975:
		m.disk.positionErr = errNoSpace
	case n < 985:
		m.discard()
	case n < 992:
		m.repair()
	case n < 997:
		m.kill()
	default:
		m.restart()
	}
	m.checkDepth()
}

func (m *model) append() {
	size := m.rng.IntN(100)
	switch m.rng.IntN(40) {
	case 0:
		size = m.rng.IntN(3 * smallSizes.block)
	case 1:
		size = smallSizes.block - recordHeader // one that just fits
	}
	f := make([]byte, size)
	for i := range f {
		f[i] = byte(m.rng.Uint32())
	}
	m.frames = append(m.frames, f)
	mustAppend(m.t, m.l, f, timeFor(m.newest()))
}

func (m *model) newest() uint64 { return uint64(len(m.frames)) }

func (m *model) read() {
	for range m.rng.IntN(4) {
		want := m.after(m.next)
		rec, ok := m.l.Next()
		if ok != (want <= m.newest()) {
			m.fatalf("next is %v with %d of %d read", ok, m.next, m.newest())
		}
		if !ok {
			return
		}
		m.check(rec, want)
		if lost := want - m.next - 1; rec.Lost != lost {
			m.fatalf("record %d: %d are said to be lost before it, want %d", want, rec.Lost, lost)
		}
		m.next = want
	}
}

// after returns the sequence that comes behind one.
func (m *model) after(seq uint64) uint64 {
	for seq++; m.gone[seq]; seq++ {
	}
	return seq
}

func (m *model) check(rec Record, want uint64) {
	m.t.Helper()
	if rec.Seq != want || !bytes.Equal(rec.Frame, m.frames[want-1]) || !rec.At.Equal(timeFor(want)) {
		m.fatalf("got record %d of %d bytes at %v, want %d of %d bytes", rec.Seq, len(rec.Frame), rec.At, want, len(m.frames[want-1]))
	}
}

func (m *model) ack() {
	if m.next > m.acked {
		m.acked += m.rng.Uint64N(m.next - m.acked + 1)
		m.mark = Mark{m.rng.Int64(), m.rng.Uint64(), m.rng.Uint64(), m.rng.Int64(), m.rng.Uint64()}
		m.l.Ack(m.acked, m.mark)
	}
}

func (m *model) write() {
	if m.l.write() == nil {
		m.saved = m.newest()
	}
}

func (m *model) save() {
	m.l.save()
	if m.disk.positionErr == nil {
		m.known = position{m.acked, m.mark}
	}
	if unwrittenBytes(m.l) == 0 {
		m.saved = m.newest()
	}
}

// discard ends the retention of what is acknowledged at this moment.
func (m *model) discard() {
	m.l.opt.Retain = 0
	m.l.discard(time.Now())
	m.l.opt.Retain = time.Hour
	oldest, _ := m.l.oldest()
	if oldest > m.acked+1 {
		m.fatalf("the oldest record is %d, but %d are acknowledged", oldest, m.acked)
	}
	for seq := uint64(1); seq < oldest; seq++ {
		m.gone[seq] = true
	}
	if oldest > m.newest() {
		m.saved = m.known.acked // no file is left to tell of more
	}
}

func (m *model) rewind() {
	m.l.Rewind()
	m.next = m.after(0) - 1
	m.acked, m.mark = m.next, Mark{}
}

func (m *model) all() {
	seq := uint64(0)
	for rec, err := range m.l.All() {
		if err != nil {
			m.fatalf("%v", err)
		}
		seq = m.after(seq)
		m.check(rec, seq)
	}
	if m.after(seq) <= m.newest() {
		m.fatalf("all gives %d of %d records", seq, m.newest())
	}
}

// kill leaves the log as it is and opens what is in the files. They may end with a part of what was being written.
func (m *model) kill() {
	m.dir = copyDir(m.t, m.dir)
	if m.rng.IntN(2) == 0 {
		m.tear()
	}
	m.open()
	m.reopened()
}

func (m *model) repair() { m.space, m.disk.positionErr = 1<<40, nil }

// tear adds to the newest segment a part of the record that would have come.
func (m *model) tear() {
	n := len(m.l.segments)
	if n == 0 {
		return
	}
	buf := appendRecord(nil, m.newest()+1, timeFor(0), 0, make([]byte, 100))
	path := filepath.Join(m.dir, m.l.segments[n-1].name())
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := f.Write(buf[:1+m.rng.IntN(len(buf)-1)]); err != nil {
		m.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) restart() {
	m.repair()
	m.save()
	if m.l.Err() != nil {
		m.fatalf("%v", m.l.Err())
	}
	m.open()
	m.reopened()
}

// reopened takes over what a crash took, if it was not more than it may.
func (m *model) reopened() {
	if m.l.last < m.saved {
		m.fatalf("%d records after the restart, but %d had been written", m.l.last, m.saved)
	}
	want := m.known // or more, where that could not be written, and the files behind it are discarded
	if len(m.l.segments) > 0 {
		want.acked = max(want.acked, m.l.segments[0].first-1)
	}
	if got := (position{m.l.acked, m.l.Mark()}); got != want {
		m.fatalf("acknowledged are %v after the restart, want %v", got, want)
	}
	if m.l.last > m.newest() {
		m.fatalf("%d records after the restart, %d were appended", m.l.last, m.newest())
	}
	m.frames = m.frames[:m.l.last]
	kept := make(map[uint64]bool)
	for rec := range m.l.All() {
		kept[rec.Seq] = true
	}
	for seq := range m.l.last {
		if seq++; !kept[seq] && !m.gone[seq] {
			if seq <= m.saved || seq > m.known.acked {
				m.fatalf("record %d is missing, %d were written and %d acknowledged", seq, m.saved, m.known.acked)
			}
			m.gone[seq] = true
		}
	}
	m.next, m.acked, m.mark, m.saved = m.known.acked, want.acked, want.mark, m.l.last
	if m.next == 0 {
		m.next = m.acked // nobody knows whether there was more
	}
}

func (m *model) drain() {
	for m.after(m.next) <= m.newest() {
		m.read()
	}
	m.l.Close()
	if m.l.Drained() != (m.acked == m.newest()) {
		m.fatalf("drained is %v", m.l.Drained())
	}
	m.l.Ack(m.next, Mark{})
	if !m.l.Drained() {
		m.fatalf("not drained when all is acknowledged")
	}
}

func (m *model) checkDepth() {
	if n := m.l.Damaged(); n > 0 {
		m.fatalf("%d damaged places", n)
	}
	var want int64
	for i := m.acked; i < m.newest(); i++ {
		if !m.gone[i+1] {
			want += recordHeader + int64(len(m.frames[i]))
		}
	}
	n, size, _ := m.l.Depth()
	if n != len(m.frames)-int(m.acked) || size != want {
		m.fatalf("depth is %d records, %d bytes, want %d, %d", n, size, len(m.frames)-int(m.acked), want)
	}
}
