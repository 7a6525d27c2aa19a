package bridge

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// cluster is three nats-server processes, and the links over which they reach one another.
type cluster struct {
	t       testing.TB
	servers []*natsServer
	links   [3][3]*proxy // by who dials and who is dialled
}

// newCluster prepares three servers. Their ports and their stores stay the same from start to start.
func newCluster(t testing.TB) *cluster {
	c := &cluster{t: t}
	var ports [3]int
	for i := range ports {
		ports[i] = freePort(t)
	}
	for i, port := range ports {
		var routes []string
		for j, other := range ports {
			url := fmt.Sprintf("nats://127.0.0.1:%d", other)
			if i != j {
				c.links[i][j] = newProxy(t, url)
				url = c.links[i][j].url()
			}
			routes = append(routes, url)
		}
		dir := t.TempDir()
		client := freePort(t)
		// Nobody listens at what they advertise to one another, so that they use the links only.
		text := fmt.Sprintf(`
listen: 127.0.0.1:%d
server_name: n%d
jetstream { store_dir: %q }
cluster { name: c, listen: 127.0.0.1:%d, advertise: "127.0.0.1:1", no_advertise: true, routes: [%s] }
`, client, i, filepath.Join(dir, "js"), port, strings.Join(routes, ","))
		c.servers = append(c.servers, natsFromConfig(t, dir, client, text))
	}
	return c
}

// up starts all servers and returns when they take connections.
func (c *cluster) up() *cluster {
	c.t.Helper()
	for _, s := range c.servers {
		s.start()
	}
	for _, s := range c.servers {
		s.reachable()
	}
	return c
}

// with makes the stream, with three replicas, and returns when all servers have it.
func (c *cluster) with(cfg jetstream.StreamConfig) *cluster {
	c.t.Helper()
	cfg.Replicas = 3
	c.request("the stream is made", func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.CreateStream(ctx, cfg)
		return err
	})
	c.whole()
	return c
}

// urls are those of all servers, for clients.
func (c *cluster) urls() string {
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, s.url)
	}
	return strings.Join(urls, ",")
}

// request asks the servers, whichever answers, until ask succeeds.
func (c *cluster) request(what string, ask func(context.Context, jetstream.JetStream) error) {
	c.t.Helper()
	eventually(c.t, what, func() error { return askOnce(c.t, c.urls(), ask) })
}

// askOnce asks the servers at urls. A request that a cluster loses while it changes its leader is never answered.
func askOnce(t testing.TB, urls string, ask func(context.Context, jetstream.JetStream) error) error {
	conn, err := nats.Connect(urls, nats.NoReconnect())
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	return ask(ctx, js)
}

// state is the stream as the servers at urls tell.
func (c *cluster) state(urls string) (info *jetstream.StreamInfo, err error) {
	err = askOnce(c.t, urls, func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, "STOCKS")
		if err == nil {
			info = stream.CachedInfo()
		}
		return err
	})
	return info, err
}

// leader is the index of the server that leads the stream.
func (c *cluster) leader() (leader int) {
	c.t.Helper()
	eventually(c.t, "the stream has a leader", func() error {
		info, err := c.state(c.urls())
		if err != nil {
			return err
		}
		if info.Cluster == nil || !leads(info.Cluster) {
			return errors.New("none")
		}
		_, err = fmt.Sscanf(info.Cluster.Leader, "n%d", &leader)
		return err
	})
	return leader
}

// whole waits until all servers have all of the stream.
func (c *cluster) whole() {
	c.t.Helper()
	eventually(c.t, "the cluster is whole", func() error {
		info, err := c.state(c.urls())
		if err != nil {
			return err
		}
		current := 0
		for _, peer := range info.Cluster.Replicas {
			if peer.Current && !peer.Offline {
				current++
			}
		}
		if !leads(info.Cluster) || current < 2 {
			return fmt.Errorf("leader %q, %d others are up to date", info.Cluster.Leader, current)
		}
		return nil
	})
}

// stepDown has the leader of the stream hand over to another server.
func (c *cluster) stepDown(int) { c.handOver(`{}`) }

func (c *cluster) handOver(request string) {
	c.t.Helper()
	c.request("the leader steps down", func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN.STOCKS", []byte(request))
		return err
	})
}

// lead makes a server the leader of the stream.
func (c *cluster) lead(server int) {
	for c.leader() != server {
		c.handOver(fmt.Sprintf(`{"placement":{"preferred":"n%d"}}`, server))
	}
}

// stored waits until the stream has so many messages.
func (c *cluster) stored(n int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("%d messages are stored", n), func() error {
		info, err := c.state(c.urls())
		if err == nil && info.State.Msgs < uint64(n) {
			err = fmt.Errorf("%d messages", info.State.Msgs)
		}
		return err
	})
}

// isolate keeps a server from the others, and they from it. Clients reach it.
func (c *cluster) isolate(server int) { c.set(server, linkFrozen) }

// join ends that. What was on its way arrives.
func (c *cluster) join(server int) { c.set(server, linkOpen) }

func (c *cluster) set(server int, state linkState) {
	for other := range c.servers {
		if other != server {
			c.links[server][other].set(state)
			c.links[other][server].set(state)
		}
	}
}
