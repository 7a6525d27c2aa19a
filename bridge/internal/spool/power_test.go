package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestPowerCut appends, reads, acknowledges and discards at random, and cuts the power at a random operation of the disk, again and again.
// What was synced before is there each time, in order and as it was, and the position says no more than what was acknowledged.
func TestPowerCut(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, seed))
			p := &powered{t: t, rng: rng, disk: newMemoryDisk(rng)}
			for p.cut = range 60 {
				p.open()
				for p.disk.after == nil {
					p.any()
				}
				p.disk = p.disk.after
			}
		})
	}
}

// TestPowerCutTakesNoNewPosition: a position that was not there when the log was opened, as a power cut may have left it, is there after the
// next one.
func TestPowerCutTakesNoNewPosition(t *testing.T) {
	disk := newMemoryDisk(nil)
	l := openByHand(t, disk, roomy(nil))
	appendFrames(t, l, 10, 50)
	l.save()
	if err := errors.Join(disk.remove(positionName), disk.sync()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []uint64{0, 10} {
		disk.cut(true)
		disk = disk.after
		l = openByHand(t, disk, roomy(nil))
		if l.acked != want {
			t.Errorf("%d records are acknowledged, want %d", l.acked, want)
		}
		rest(t, l)
		l.Ack(10, Mark{})
		l.save()
	}
}

// TestPowerCutTakesASecond at most: what was appended before that is synced, by nobody's doing.
func TestPowerCutTakesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newMemoryDisk(nil)
		l := start(t, disk, roomy(nil))
		appendFrames(t, l, 30, 50)
		<-time.After(time.Second)
		synctest.Wait()
		disk.cut(true)
		if got := rest(t, openByHand(t, disk.after, roomy(nil))); !slices.Equal(got, span(1, 30)) {
			t.Errorf("got %v, want 1 to 30", got)
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	})
}

// powered is a log on a disk whose power is cut, and what must be in it.
type powered struct {
	t    *testing.T
	rng  *rand.Rand
	cut  int // number of it
	disk *memoryDisk
	l    *Log

	frames [][]byte // frames[i] has seq i+1
	safe   uint64   // records up to this one are synced
	acked  uint64   // up to here, at most
	known  uint64   // of that, what is synced
	gone   uint64   // records up to this one were discarded
}

func (p *powered) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("cut %d: %s", p.cut, fmt.Sprintf(format, args...))
}

func (p *powered) any() {
	switch n := p.rng.IntN(100); {
	case n < 50:
		p.frames = append(p.frames, frame(p.newest()+1, p.rng.IntN(200)))
		mustAppend(p.t, p.l, p.frames[p.newest()-1], timeFor(p.newest()))
	case n < 65:
		p.read()
	case n < 75:
		p.acked += p.rng.Uint64N(p.l.handed - p.acked + 1)
		if p.rng.IntN(2) == 0 {
			p.acked = p.l.handed
		}
		p.l.Ack(p.acked, Mark{Seq: p.acked})
	case n < 87:
		if err := p.l.write(); err != nil {
			p.fatalf("%v", err)
		}
	case n < 97:
		p.save()
	default: // as the clock does
		p.save()
		p.l.opt.Retain = 0
		p.l.discard(time.Now())
		p.l.opt.Retain = time.Hour
		oldest, _ := p.l.oldest()
		p.gone = max(p.gone, oldest-1)
	}
}

func (p *powered) save() {
	p.l.save()
	if p.l.Err() != nil {
		p.fatalf("%v", p.l.Err())
	}
	if p.disk.after == nil { // else the power was cut meanwhile, and nothing is promised
		p.safe, p.known = p.newest(), p.acked
	}
}

func (p *powered) newest() uint64 { return uint64(len(p.frames)) }

// read reads some records, which must follow one another.
func (p *powered) read() {
	for range p.rng.IntN(40) { // mostly to the end
		want := p.l.handed + 1
		rec, ok := p.l.Next()
		if ok != (want <= p.newest()) {
			p.fatalf("next is %v behind %d of %d", ok, p.l.handed, p.newest())
		}
		if !ok {
			return
		}
		p.check(rec, want)
	}
}

func (p *powered) check(rec Record, want uint64) {
	if rec.Seq != want || rec.Lost > 0 || !bytes.Equal(rec.Frame, p.frames[want-1]) || !rec.At.Equal(timeFor(want)) {
		p.fatalf("got record %d of %d bytes, with %d lost before it, want %d of %d bytes", rec.Seq, len(rec.Frame), rec.Lost, want, len(p.frames[want-1]))
	}
}

// open opens what the power cut has left, and takes over what it took, if it was not more than it may.
func (p *powered) open() {
	p.disk.left = p.rng.IntN(80)
	p.l = openByHand(p.t, p.disk, roomy(nil))
	if p.l.last < p.safe || p.l.last > p.newest() {
		p.fatalf("%d records, but %d were synced of %d", p.l.last, p.safe, p.newest())
	}
	p.frames = p.frames[:p.l.last]
	if p.l.acked < p.known || p.l.acked > p.acked || p.l.Mark().Seq != p.l.out.stored.acked {
		p.fatalf("acknowledged are %d with the mark %v, want %d to %d", p.l.acked, p.l.Mark(), p.known, p.acked)
	}
	seq := uint64(0)
	for rec, err := range p.l.All() {
		if err != nil {
			p.fatalf("%v", err)
		}
		if seq++; rec.Seq > seq && seq <= p.gone { // files may be gone in any order
			seq = min(rec.Seq, p.gone+1)
		}
		p.check(rec, seq)
	}
	if n := p.l.Damaged(); n > 0 || seq < p.l.last && p.l.last > p.gone {
		p.fatalf("%d of %d records are there, %d places are damaged", seq, p.l.last, n)
	}
	// What is there now was read from the disk, and stays.
	p.safe, p.acked, p.known = p.l.last, p.l.acked, p.l.out.stored.acked
}

// memoryDisk is a fileSystem that forgets what is not synced when its power is cut: bytes of files, and names of the directory.
type memoryDisk struct {
	rng    *rand.Rand
	names  map[string]*inode
	synced map[string]*inode // names, as they were when the directory was synced
	left   int               // operations until the power is cut
	after  *memoryDisk       // what the cut has left; nil before
}

// inode is a file, by whatever name.
type inode struct{ data, synced []byte }

// operation is the moment before something changes on the disk. What comes behind a cut changes nothing any more of what that left.
func (d *memoryDisk) operation() {
	if d.left--; d.left < 0 && d.after == nil {
		d.cut(d.rng.IntN(2) == 0)
	}
}

// cut cuts the power. Of what is not synced, all is forgotten, or some is there by chance.
func (d *memoryDisk) cut(forget bool) {
	d.after = newMemoryDisk(d.rng)
	for _, name := range slices.Sorted(maps.Keys(d.either())) {
		n := d.synced[name]
		if !forget && d.rng.IntN(2) == 0 {
			n = d.names[name]
		}
		if n == nil {
			continue
		}
		data := n.synced
		if !forget && bytes.HasPrefix(n.data, data) {
			data = n.data[:len(data)+d.rng.IntN(len(n.data)-len(data)+1)]
		}
		d.after.names[name] = &inode{bytes.Clone(data), bytes.Clone(data)}
	}
	d.after.synced = maps.Clone(d.after.names)
}

func newMemoryDisk(rng *rand.Rand) *memoryDisk {
	return &memoryDisk{rng: rng, names: make(map[string]*inode), synced: make(map[string]*inode), left: math.MaxInt}
}

// either returns all names that are there, or were when the directory was synced.
func (d *memoryDisk) either() map[string]*inode {
	names := maps.Clone(d.names)
	maps.Copy(names, d.synced)
	return names
}

func (d *memoryDisk) create(name string) (file, error) {
	d.operation()
	if d.names[name] != nil {
		return nil, fs.ErrExist
	}
	d.names[name] = &inode{}
	return memoryFile{d, d.names[name]}, nil
}

func (d *memoryDisk) open(name string) (file, error) {
	if d.names[name] == nil {
		return nil, fs.ErrNotExist
	}
	return memoryFile{d, d.names[name]}, nil
}

func (d *memoryDisk) remove(name string) error {
	d.operation()
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	delete(d.names, name)
	return nil
}

func (d *memoryDisk) list() (map[string]int64, error) {
	sizes := make(map[string]int64)
	for name, n := range d.names {
		sizes[name] = int64(len(n.data))
	}
	return sizes, nil
}

func (d *memoryDisk) sync() error {
	d.operation()
	d.synced = maps.Clone(d.names)
	return nil
}

type memoryFile struct {
	disk *memoryDisk
	*inode
}

func (f memoryFile) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, f.data[min(at, int64(len(f.data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f memoryFile) WriteAt(p []byte, at int64) (int, error) {
	f.disk.operation()
	if missing := int(at) + len(p) - len(f.data); missing > 0 {
		f.data = append(f.data, make([]byte, missing)...)
	}
	return copy(f.data[at:], p), nil
}

func (f memoryFile) Truncate(size int64) error {
	f.disk.operation()
	f.data = f.data[:size]
	return nil
}

func (f memoryFile) Sync() error {
	f.disk.operation()
	f.synced = bytes.Clone(f.data)
	return nil
}

func (f memoryFile) Close() error { return nil }
