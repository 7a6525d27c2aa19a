package bridge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// TestStreamIsNotChangedInSilence: a stream that could lose something is refused with the command that mends
// it, and mended when the configuration says so.
func TestStreamIsNotChangedInSilence(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	js := connect(t, s.url)
	cfg := testConfig(s.url)
	wrong := streamConfig(cfg)
	wrong.Subjects, wrong.MaxMsgsPerSubject, wrong.NoAck = []string{"stocks.agg.>", "other.>", "stocks.gap"}, 1, true
	wrong.Duplicates = time.Minute
	wrong.MaxAge, wrong.Compression = 0, jetstream.NoCompression // the operator's to choose
	if _, err := js.CreateStream(t.Context(), wrong); err != nil {
		t.Fatal(err)
	}
	_, err := openStream(t.Context(), js, cfg, quiet(t))
	var refused *StreamError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a StreamError", err)
	}
	for _, want := range []string{"nats stream edit STOCKS", " '--subjects=other.>,stocks.>' ", "--max-msgs-per-subject=-1", "--ack", "BRIDGE_STREAM_UPDATE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not say %q", err, want)
		}
	}
	cfg.NATS.embedded = true
	if _, err := openStream(t.Context(), js, cfg, quiet(t)); err == nil || strings.Contains(err.Error(), "nats stream edit") || !strings.Contains(err.Error(), "BRIDGE_STREAM_UPDATE") {
		t.Errorf("got %v, want no command for a server that ends with the bridge", err)
	}
	cfg.StreamUpdate = true
	log := shownOnFailure(t)
	stream, err := openStream(t.Context(), js, cfg, logTo(log))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"setting=subjects from=stocks.agg.>,other.>,stocks.gap to=other.>,stocks.>",
		"setting=max-msgs-per-subject from=1 to=-1",
		"setting=ack from=false to=true",
		"setting=dupe-window from=1m0s to=2m0s",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	got := stream.CachedInfo().Config
	if !slices.Equal(got.Subjects, []string{"other.>", "stocks.>"}) || got.MaxMsgsPerSubject != -1 || got.NoAck {
		t.Errorf("the stream was not mended: %+v", got)
	}
	if got.MaxAge != 0 || got.Compression != jetstream.NoCompression {
		t.Errorf("what is the operator's to choose was changed: %+v", got)
	}
	log.reset()
	if again, err := openStream(t.Context(), js, cfg, logTo(log)); err != nil || again == nil || log.String() != "" {
		t.Errorf("the mended stream is refused, or mended again: %v", err)
	}
}

// TestStreamIsNotAsWished: a limit that was set and that the stream does not have is named with the command, and applied when the
// configuration says so. A default is not: an operator may have chosen otherwise.
func TestStreamIsNotAsWished(t *testing.T) {
	t.Parallel()
	url := startNATS(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	js := connect(t, url)
	cfg := testConfig(url)
	other := streamConfig(cfg)
	other.MaxAge, other.MaxBytes, other.Duplicates = time.Minute, -1, 10*time.Second
	if _, err := js.CreateStream(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		set    StreamSet
		update bool
		advice string // "": none
		age    time.Duration
		bytes  int64
		window time.Duration
	}{
		{"defaults", StreamSet{}, false, "`nats stream edit STOCKS --dupe-window=1m0s`, or set BRIDGE_STREAM_UPDATE=true", time.Minute, -1, 10 * time.Second},
		{"limits", StreamSet{true, true, true}, false, "it has max-bytes=-1, not 1GiB; it has max-age=1m0s, not 1h0m0s; it has dupe-window=10s, not 2m0s; mend it", time.Minute, -1, 10 * time.Second},
		{"update of none", StreamSet{}, true, "", time.Minute, -1, time.Minute},
		{"update", StreamSet{MaxAge: true}, true, "", time.Hour, -1, 2 * time.Minute},
		{"update of all", StreamSet{true, true, true}, true, "", time.Hour, 1 << 30, 2 * time.Minute},
	} {
		cfg.StreamSet, cfg.StreamUpdate = tt.set, tt.update
		stream, err := openStream(t.Context(), js, cfg, quiet(t))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := stream.CachedInfo().Config
		if got.MaxAge != tt.age || got.MaxBytes != tt.bytes || got.Duplicates != tt.window {
			t.Errorf("%s: got %v, %d bytes, window %v; want %v, %d, %v", tt.name, got.MaxAge, got.MaxBytes, got.Duplicates, tt.age, tt.bytes, tt.window)
		}
		if advice := streamAdvice(got, cfg); (advice == nil) != (tt.advice == "") || !strings.Contains(fmt.Sprint(advice), tt.advice) {
			t.Errorf("%s: got the advice %v, want %q in it", tt.name, advice, tt.advice)
		}
	}
}

// TestClashingSubjects: the error says what can be done about the stream that has the subjects, also where the server
// ends with the bridge and no command can reach it.
func TestClashingSubjects(t *testing.T) {
	t.Parallel()
	url := startNATS(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	js := connect(t, url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"stocks.agg.>", "other.>"}}); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(url)
	if _, err := openStream(t.Context(), js, cfg, quiet(t)); !strings.Contains(fmt.Sprint(err), "set BRIDGE_STREAM=OTHER to publish into it, or take the subjects from it with `nats stream edit`") {
		t.Errorf("got %v, want both remedies", err)
	}
	cfg.NATS.embedded = true
	_, err := openStream(t.Context(), js, cfg, quiet(t))
	if text := fmt.Sprint(err); !strings.Contains(text, "set BRIDGE_STREAM=OTHER and BRIDGE_STREAM_UPDATE=true") || strings.Contains(text, "nats stream edit") {
		t.Errorf("got %v, want settings and no command", err)
	}
	cfg.Stream, cfg.StreamUpdate = "OTHER", true
	if _, err := openStream(t.Context(), js, cfg, quiet(t)); err != nil {
		t.Errorf("what the error says does not help: %v", err)
	}
}

// A server without JetStream looks like a cluster without a leader, so it is asked again.
func TestOpenStreamWithoutJetStream(t *testing.T) {
	t.Parallel()
	cfg := testConfig(startNATS(t, &server.Options{}))
	_, err := openStream(t.Context(), connect(t, cfg.NATS.URL), cfg, quiet(t))
	if err == nil || !strings.Contains(err.Error(), "nats-server -js") || ExitCode(err) == 2 {
		t.Errorf("got %v with exit code %d, want the remedy, and another attempt", err, ExitCode(err))
	}
}
