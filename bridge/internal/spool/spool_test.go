package spool

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/bridge/internal/dirlock"
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
	lock, err := dirlock.Take(t.TempDir())
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
	l.startWriting()
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

// readUntil reads up to a record, waiting where it has to, and returns the sequences.
func readUntil(t testing.TB, l *Log, last uint64) (seqs []uint64) {
	t.Helper()
	for len(seqs) == 0 || seqs[len(seqs)-1] < last {
		if rec, ok := l.Next(); ok {
			checkRecord(t, rec)
			seqs = append(seqs, rec.Seq)
		} else {
			<-l.Woken()
		}
	}
	return seqs
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
