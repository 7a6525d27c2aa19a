package natsd

import (
	"fmt"
	"log/slog"
	"sync"
)

// logger hands the server's lines to slog. What the server finds worth a notice is noise to someone who
// runs a bridge, so it goes to the level DEBUG.
type logger struct {
	log *slog.Logger

	mu    sync.Mutex // guards first
	first error
}

func (l *logger) Noticef(format string, v ...any) { l.line(l.log.Debug, format, v) }
func (l *logger) Debugf(format string, v ...any)  { l.line(l.log.Debug, format, v) }
func (l *logger) Tracef(format string, v ...any)  { l.line(l.log.Debug, format, v) }
func (l *logger) Warnf(format string, v ...any)   { l.line(l.log.Warn, format, v) }
func (l *logger) Errorf(format string, v ...any)  { l.line(l.log.Error, format, v) }

func (l *logger) line(log func(string, ...any), format string, v []any) {
	log("embedded nats", "message", fmt.Sprintf(format, v...))
}

// Fatalf keeps the first error after which the server does not start. The server's own logger would end the process.
func (l *logger) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first != nil {
		return
	}
	l.first = fmt.Errorf("%s", fmt.Sprintf(format, v...))
	for _, arg := range v {
		if err, ok := arg.(error); ok {
			l.first = err
		}
	}
}

func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}
