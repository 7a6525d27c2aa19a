package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// smallSizes bring a test to the ends of blocks and segments often.
var smallSizes = sizes{segment: 4096, block: 512, ahead: 1024}

func roomy(log *slog.Logger) Options {
	return Options{MaxBytes: 1 << 30, MemoryBytes: 1 << 30, Retain: time.Hour, Logger: log}
}

// openByHand opens a log without a writer: the test writes when it wants to.
func openByHand(t testing.TB, fsys fileSystem, opt Options) *Log {
	t.Helper()
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := open(fsys, opt, smallSizes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.closeFiles() })
	return l
}

// start opens a log with a writer, and small sizes.
func start(t testing.TB, fsys fileSystem, opt Options) *Log {
	t.Helper()
	lock, err := lockDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := open(fsys, opt, smallSizes)
	if err != nil {
		t.Fatal(err)
	}
	l.lock = lock
	go l.run()
	return l
}

// frame returns bytes that belong to a sequence and to no other.
func frame(seq uint64, size int) []byte {
	f := []byte(fmt.Sprintf("frame %d ", seq))
	for len(f) < size {
		f = append(f, byte(seq*31+uint64(len(f))))
	}
	return f
}

func timeFor(seq uint64) time.Time { return time.Unix(1_700_000_000, int64(seq)) }

func mustAppend(t testing.TB, l *Log, frame []byte, at time.Time) {
	t.Helper()
	if err := l.Append(0, frame, at); err != nil {
		t.Fatal(err)
	}
}

// appendFrames appends n frames of a size.
func appendFrames(t testing.TB, l *Log, n, size int) {
	t.Helper()
	for range n {
		seq := l.last + 1
		mustAppend(t, l, frame(seq, size), timeFor(seq))
	}
}

// rest reads what is left and returns the sequences. Each record must be as it was appended.
func rest(t testing.TB, l *Log) (seqs []uint64) {
	t.Helper()
	for {
		rec, ok := l.Next()
		if !ok {
			return seqs
		}
		checkRecord(t, rec)
		seqs = append(seqs, rec.Seq)
	}
}

func checkRecord(t testing.TB, rec Record) {
	t.Helper()
	if !bytes.Equal(rec.Frame, frame(rec.Seq, len(rec.Frame))) || !rec.At.Equal(timeFor(rec.Seq)) {
		t.Fatalf("record %d was altered: %v, %.40q", rec.Seq, rec.At, rec.Frame)
	}
}

// span returns from, from+1, ..., to.
func span(from, to uint64) (seqs []uint64) {
	for ; from <= to; from++ {
		seqs = append(seqs, from)
	}
	return seqs
}

// copyDir copies the files of a directory to a new one: what a process that is killed at this moment leaves behind.
func copyDir(t testing.TB, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	for name, data := range files(t, from) {
		writeFile(t, to, name, data)
	}
	return to
}

func files(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = data
	}
	return all
}

func writeFile(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// logBook collects the lines of a logger.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// count returns how many lines have a text in them.
func (b *logBook) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.buf.String(), text)
}

// faulty is a directory on a disk that can be full, slow or broken. Its fields are set before the log is opened or between
// operations by hand.
type faulty struct {
	directory
	space   *int64       // bytes that can still be written to segments; nil: no end
	onWrite func()       // before bytes are written to a segment
	onRead  func() error // before a segment is read
	syncErr error        // of segments
}

var errNoSpace = errors.New("no space left on device")

func (f *faulty) create(name string) (file, error) { return f.wrap(name)(f.directory.create(name)) }
func (f *faulty) open(name string) (file, error)   { return f.wrap(name)(f.directory.open(name)) }

func (f *faulty) wrap(name string) func(file, error) (file, error) {
	return func(inner file, err error) (file, error) {
		if _, ok := segmentFirst(name); !ok || err != nil {
			return inner, err
		}
		return &faultyFile{inner, f}, nil
	}
}

type faultyFile struct {
	file
	disk *faulty
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	if f.disk.onWrite != nil {
		f.disk.onWrite()
	}
	if f.disk.space == nil || int64(len(p)) <= *f.disk.space {
		if f.disk.space != nil {
			*f.disk.space -= int64(len(p))
		}
		return f.file.WriteAt(p, at)
	}
	n, err := f.file.WriteAt(p[:*f.disk.space], at)
	*f.disk.space = 0
	if err == nil {
		err = errNoSpace
	}
	return n, err
}

func (f *faultyFile) ReadAt(p []byte, at int64) (int, error) {
	if f.disk.onRead != nil {
		if err := f.disk.onRead(); err != nil {
			return 0, err
		}
	}
	return f.file.ReadAt(p, at)
}

func (f *faultyFile) Sync() error {
	if f.disk.syncErr != nil {
		return f.disk.syncErr
	}
	return f.file.Sync()
}
