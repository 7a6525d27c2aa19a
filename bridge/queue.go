package bridge

import (
	"iter"
	"log/slog"
	"path/filepath"
	"time"

	"bridge/bridge/internal/spool"
)

// queue is the one way from the feed to the publisher, in memory or, with a data directory, on disk. The feed
// appends and never waits; the publisher takes records in order and acknowledges them when every message in
// them is settled. Acknowledged records stay for a while, in case the server loses what it had acknowledged.
type queue interface {
	// Append copies a frame to the end. It is refused with spool.ErrFull when the bound is reached: what is
	// older stays, so the stream is complete up to the refusal.
	Append(kind uint8, frame []byte, at time.Time) error
	Next() (spool.Record, bool)
	// Ack settles every record up to and including seq. mark goes with it wherever it is kept: what the
	// stream had acknowledged then.
	Ack(seq uint64, mark spool.Mark)
	// Mark is what went with the last Ack, of this process or one before it.
	Mark() spool.Mark
	// Hold says whether what is acknowledged stays for as long as there is room: NATS is away, and may come back with less.
	Hold(held bool)
	// Rewind makes Next start again at the oldest record that is kept.
	Rewind()
	// All returns what is kept and leaves Next where it is.
	All() iter.Seq2[spool.Record, error]
	Woken() <-chan struct{}
	Close()
	Drained() bool
	Depth() (records int, bytes int64, oldest time.Duration)
	// Release gives back what the queue holds of the machine.
	Release() error
}

// What a record of the queue is.
const (
	kindFrame uint8 = iota // a frame of the feed, as it was read
	kindGap                // a gap, in its place between the frames
)

// openQueue opens the queue of the market in the data directory, or makes one in memory.
func openQueue(cfg Config, m *metrics, log *slog.Logger) (queue, error) {
	if cfg.DataDir == "" {
		log.Warn("queue is in memory, and what is in it dies with the process; set BRIDGE_DATA_DIR for one on disk")
		return newMemory(cfg.QueueMaxBytes), nil
	}
	// Each market has its own: what a record holds can be told by the market's channels only.
	dir := filepath.Join(cfg.DataDir, "spool", string(cfg.Market))
	l, err := spool.Open(dir, spool.Options{
		MaxBytes:    cfg.SpoolMaxBytes,
		MemoryBytes: cfg.QueueMaxBytes,
		Retain:      cfg.SpoolRetain,
		Logger:      log,
	})
	if err != nil {
		return nil, &ConfigError{err}
	}
	m.watchSpool(l)
	if records, bytes, oldest := l.Depth(); records > 0 {
		log.Info("queue found on disk", "records", records, "bytes", bytes, "oldest", oldest.Round(time.Second))
	}
	return l, nil
}

// notify leaves a word in a channel of capacity 1, unless there is one.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
