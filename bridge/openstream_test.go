package bridge

import (
	"errors"
	"slices"
	"strings"
	"testing"

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
	wrong.Subjects, wrong.MaxMsgsPerSubject, wrong.NoAck = []string{"other.>"}, 1, true
	wrong.MaxAge, wrong.Compression = 0, jetstream.NoCompression // the operator's to choose
	if _, err := js.CreateStream(t.Context(), wrong); err != nil {
		t.Fatal(err)
	}
	_, err := openStream(t.Context(), js, cfg)
	var refused *StreamError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a StreamError", err)
	}
	for _, want := range []string{"nats stream edit STOCKS", "--subjects=other.>,stocks.>", "--max-msgs-per-subject=-1", "--ack", "BRIDGE_STREAM_UPDATE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not say %q", err, want)
		}
	}
	cfg.StreamUpdate = true
	stream, err := openStream(t.Context(), js, cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := stream.CachedInfo().Config
	if !slices.Equal(got.Subjects, []string{"other.>", "stocks.>"}) || got.MaxMsgsPerSubject != -1 || got.NoAck {
		t.Errorf("the stream was not mended: %+v", got)
	}
	if got.MaxAge != 0 || got.Compression != jetstream.NoCompression {
		t.Errorf("what is the operator's to choose was changed: %+v", got)
	}
	if again, err := openStream(t.Context(), js, cfg); err != nil || again == nil {
		t.Errorf("the mended stream is refused: %v", err)
	}
}

// A stream that cannot be had names the remedy, and whether only another setting can help.
func TestOpenStreamExplains(t *testing.T) {
	t.Parallel()
	alone := startNATS(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	for _, tt := range []struct {
		name, url string
		set       func(*Config)
		want      string
		fatal     bool
	}{
		{"no room", alone, func(c *Config) { c.StreamMaxBytes = 1 << 60 }, "BRIDGE_STREAM_MAX_BYTES=1048576TiB", true},
		{"no cluster", alone, func(c *Config) { c.StreamReplicas = 3 }, "BRIDGE_STREAM_REPLICAS=3 needs a cluster", true},
		{"no JetStream", startNATS(t, &server.Options{}), func(*Config) {}, "nats-server -js", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig(tt.url)
			tt.set(&cfg)
			_, err := openStream(t.Context(), connect(t, tt.url), cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			if got := ExitCode(err) == 2; got != tt.fatal {
				t.Errorf("%v: needs another setting %v, want %v", err, got, tt.fatal)
			}
		})
	}
}
