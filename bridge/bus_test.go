package bridge

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// bus is the servers of a schedule.
type bus struct {
	*schedule
	t       *testing.T
	servers []*natsServer // the first one has the stream, if only one has it
	copy    string        // of that one's disk; "" for none of use
}

// turnTTL is that of the lease of two bridges: short, and long enough for the holder to step down in time on a busy machine.
const turnTTL = 6 * time.Second

// newBus starts the servers. In a cluster, or where the memory of ids is to be brief, it makes the stream as well.
func newBus(t *testing.T, s *schedule) *bus {
	b := &bus{schedule: s, t: t}
	if s.servers == 1 {
		b.servers = []*natsServer{newNATS(t)}
	} else {
		b.servers = newCluster(t).servers
	}
	for _, server := range b.servers {
		server.start()
	}
	for _, server := range b.servers {
		server.reachable()
	}
	if s.servers > 1 || s.brief {
		cfg := streamConfig(testConfig(""))
		cfg.Replicas = s.replicas
		if s.brief {
			cfg.Duplicates = 100 * time.Millisecond
		}
		if s.remote() {
			cfg.Subjects = append(cfg.Subjects, "others.>")
		}
		b.request("the stream is made", func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.CreateStream(ctx, cfg)
			return err
		})
	}
	if s.remote() {
		b.putHolderFirst()
	}
	if s.pair {
		b.request("the lease's bucket is made", func(ctx context.Context, js jetstream.JetStream) error {
			_, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: leaseBucket, TTL: turnTTL, Replicas: s.replicas})
			return err
		})
	}
	return b
}

// fill makes the stream refuse what is new, after a little more.
func (b *bus) fill() {
	b.change(func(cfg *jetstream.StreamConfig, state jetstream.StreamState) {
		cfg.Discard, cfg.MaxBytes = jetstream.DiscardNew, int64(state.Bytes)+20_000
	})
}

// widen gives the stream room again.
func (b *bus) widen() {
	b.change(func(cfg *jetstream.StreamConfig, _ jetstream.StreamState) {
		cfg.Discard, cfg.MaxBytes = jetstream.DiscardOld, 1<<30
	})
}

func (b *bus) change(edit func(*jetstream.StreamConfig, jetstream.StreamState)) {
	b.request("the stream is changed", func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, "STOCKS")
		if err != nil {
			return err
		}
		cfg := stream.CachedInfo().Config
		edit(&cfg, stream.CachedInfo().State)
		_, err = js.UpdateStream(ctx, cfg)
		return err
	})
}

// request asks the servers for something until it succeeds, past the links.
func (b *bus) request(what string, ask func(context.Context, jetstream.JetStream) error) {
	b.t.Helper()
	var urls []string
	for _, server := range b.servers {
		if !server.paused {
			urls = append(urls, server.url)
		}
	}
	eventually(b.t, what, func() error { return askOnce(b.t, strings.Join(urls, ","), ask) })
}

// mend ends whatever is wrong with the servers.
func (b *bus) mend() {
	for _, server := range b.servers {
		switch {
		case server.paused:
			server.resume()
		case server.cmd == nil:
			server.up()
		}
	}
}

// links are those over which a bridge reaches the servers.
type links struct {
	*schedule
	proxies []*proxy
	state   linkState // of all of them
}

func newLinks(b *bus) *links {
	l := &links{schedule: b.schedule, state: linkOpen}
	for _, server := range b.entrances() {
		l.proxies = append(l.proxies, newProxy(b.t, server.url))
	}
	return l
}

func (l *links) urls() string {
	var all []string
	for _, p := range l.proxies {
		all = append(all, p.url())
	}
	return strings.Join(all, ",")
}

func (l *links) cut() {
	for _, p := range l.proxies {
		p.cut()
	}
}

func (l *links) reset() {
	for _, p := range l.proxies {
		p.reset()
	}
}

// set changes the state of the links.
func (l *links) set(state linkState) {
	if l.state == linkFrozen && (l.brief || l.pair) {
		l.cut() // what they held would come twice and too late for a server that forgets ids at once, or behind what another bridge has sent
	}
	l.state = state
	for _, p := range l.proxies {
		p.set(state)
	}
}
