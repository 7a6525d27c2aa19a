package bridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Formats of the log.
const (
	FormatJSON = "json"
	FormatText = "text"
)

// NewLogger returns a logger that writes to w in one of the formats.
func NewLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: legible}
	if format == FormatText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// legible writes durations as people do, where JSON would have nanoseconds, and leaves out an error or a time that there is not.
func legible(_ []string, a slog.Attr) slog.Attr {
	switch {
	case a.Value.Kind() == slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case a.Value.Any() == nil, a.Value.Kind() == slog.KindTime && a.Value.Time().IsZero():
		return slog.Attr{}
	}
	return a
}

// limitEvery is how often a limiter lets one reason through.
const limitEvery = time.Minute

// limiter logs each reason at most once a minute, and with the next line of a reason how many were held
// back. Reasons must come from a closed set: each is remembered.
type limiter struct {
	log *slog.Logger

	mu      sync.Mutex // guards reasons
	reasons map[string]*limited
}

type limited struct {
	logged   time.Time
	heldBack int
}

func newLimiter(log *slog.Logger) *limiter {
	return &limiter{log: log, reasons: make(map[string]*limited)}
}

// Warn logs the message at level WARN, unless the reason has been logged within the last minute.
func (l *limiter) Warn(reason, message string, args ...any) {
	l.emit(slog.LevelWarn, reason, message, args)
}

// Error is Warn at level ERROR.
func (l *limiter) Error(reason, message string, args ...any) {
	l.emit(slog.LevelError, reason, message, args)
}

func (l *limiter) emit(level slog.Level, reason, message string, args []any) {
	n, ok := l.allow(reason, time.Now())
	if !ok {
		return
	}
	if n > 0 {
		args = append(args[:len(args):len(args)], "held_back", n)
	}
	l.log.Log(context.Background(), level, message, args...)
}

// allow reports whether the reason may be logged, and how many were held back since it last was.
func (l *limiter) allow(reason string, now time.Time) (heldBack int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.reasons[reason]
	if r == nil {
		r = &limited{}
		l.reasons[reason] = r
	} else if now.Sub(r.logged) < limitEvery {
		r.heldBack++
		return 0, false
	}
	heldBack = r.heldBack
	r.logged, r.heldBack = now, 0
	return heldBack, true
}

// complain logs what NATS refuses without an answer. To whoever asked, it looks like an answer that does not come. The goroutines
// of the NATS client call it.
func (l *limiter) complain(err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		l.Error("permission", "nats denies the account a subject: see its permissions", "err", err)
		return
	}
	l.Warn("nats", "nats reported an error", "err", err)
}
