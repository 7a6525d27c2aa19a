package bridge

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiterLogsOnceAMinuteAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newLimiter(NewLogger(&out, slog.LevelInfo, FormatText))
		lines := func() []string {
			text := strings.TrimSpace(out.String())
			out.Reset()
			if text == "" {
				return nil
			}
			return strings.Split(text, "\n")
		}
		for range 5 {
			l.Warn("a", "message of a", "n", 1)
			l.Error("b", "message of b")
		}
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], "level=WARN msg=\"message of a\" n=1") || !strings.Contains(got[1], "level=ERROR msg=\"message of b\"") {
			t.Errorf("got %q, want one line of each reason", got)
		}
		time.Sleep(limitEvery - time.Nanosecond)
		if l.Warn("a", "message of a"); lines() != nil {
			t.Error("logged a second time within the minute")
		}
		time.Sleep(time.Nanosecond)
		l.Warn("a", "message of a")
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "held_back=5") {
			t.Errorf("got %q, want held_back=5", got)
		}
		time.Sleep(limitEvery)
		l.Warn("a", "message of a")
		if got := lines(); len(got) != 1 || strings.Contains(got[0], "held_back") {
			t.Errorf("got %q, want nothing held back", got)
		}
	})
}

// A person reads waits in either format, and no error or time where there was none.
func TestLogIsLegible(t *testing.T) {
	for format, want := range map[string]string{FormatJSON: `"wait":"1.25s","err":"EOF"}`, FormatText: "wait=1.25s err=EOF"} {
		var out bytes.Buffer
		var none error
		NewLogger(&out, slog.LevelInfo, format).Info("m", "err", none, "from", time.Time{}, "wait", 1250*time.Millisecond, "err", io.EOF)
		if got := out.String(); !strings.HasSuffix(got, want+"\n") || strings.Contains(got, "nil") || strings.Contains(got, "null") || strings.Contains(got, "from") {
			t.Errorf("%s: got %q, want %s in it and no error but that", format, got, want)
		}
	}
}

func TestNewLoggerFormatsAndLevels(t *testing.T) {
	for format, want := range map[string]string{FormatJSON: `"msg":"shown"`, FormatText: "msg=shown"} {
		var out bytes.Buffer
		log := NewLogger(&out, slog.LevelWarn, format)
		log.Info("hidden")
		log.Warn("shown")
		if got := out.String(); !strings.Contains(got, want) || strings.Contains(got, "hidden") {
			t.Errorf("%s: got %q", format, got)
		}
	}
}
