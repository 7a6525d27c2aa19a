package lease

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startCluster runs three servers, and returns them and the URL that names them all.
func startCluster(t *testing.T) (servers []*natsServer, url string) {
	servers = newCluster(t)
	var urls []string
	for _, s := range servers {
		s.start()
		urls = append(urls, s.url)
	}
	url = strings.Join(urls, ",")
	eventually(t, "the cluster is ready", func() error {
		return ask(t, url, func(js jetstream.JetStream) error {
			_, err := js.AccountInfo(t.Context())
			return err
		})
	})
	return servers, url
}

// ask does something on a connection of its own.
func ask(t *testing.T, url string, do func(jetstream.JetStream) error) error {
	nc, err := nats.Connect(url, nats.NoReconnect(), nats.Timeout(dialTimeout))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return err
	}
	return do(js)
}

// leader returns the server that leads the lease's bucket.
func leader(t *testing.T, servers []*natsServer, url string) (server *natsServer) {
	t.Helper()
	eventually(t, "the bucket has a leader", func() error {
		return ask(t, url, func(js jetstream.JetStream) error {
			stream, err := js.Stream(t.Context(), "KV_lease")
			if err != nil {
				return err
			}
			cluster := stream.CachedInfo().Cluster
			if cluster == nil || !strings.HasPrefix(cluster.Leader, "n") {
				return errNotYet
			}
			i, err := strconv.Atoi(cluster.Leader[1:])
			if err == nil {
				server = servers[i]
			}
			return err
		})
	})
	return server
}

// renewals waits for n more renewals of the key and returns its revision.
func renewals(t *testing.T, url string, n int) {
	t.Helper()
	seen := make(map[uint64]bool)
	eventually(t, "the lease is renewed", func() error {
		return ask(t, url, func(js jetstream.JetStream) error {
			kv, err := js.KeyValue(t.Context(), "lease")
			if err != nil {
				return err
			}
			entry, err := kv.Get(t.Context(), "stocks")
			if err != nil {
				return err
			}
			seen[entry.Revision()] = true
			if len(seen) <= n {
				return errNotYet
			}
			return nil
		})
	})
}

// An election leaves the lease where it is. One that follows a frozen leader may take longer than the TTL, and then it does not.
func TestLeaderOfTheBucketKilled(t *testing.T) {
	servers, url := startCluster(t)
	opt := options(url, DefaultTTL)
	opt.Replicas = 3
	a := startHold(t, "a", opt)
	l := a.becomesActive()
	b := startHold(t, "b", opt)
	b.standsBy("a")
	began := time.Now()
	leader(t, servers, url).kill()
	renewals(t, url, 2)
	t.Logf("renewed again after %v", time.Since(began))
	if !l.Valid() || len(a.lost) > 0 || len(b.active) > 0 {
		t.Errorf("the lease has changed hands: %v", context.Cause(l.Held()))
	}
}
