package bridge

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestLeads: only a leader that hears from most of its peers is believed.
func TestLeads(t *testing.T) {
	near, far, never := &jetstream.PeerInfo{Active: time.Second}, &jetstream.PeerInfo{Active: leaderSilence}, &jetstream.PeerInfo{}
	for _, tt := range []struct {
		name   string
		leader string
		peers  []*jetstream.PeerInfo
		want   bool
	}{
		{"a lone server in a cluster", "n0", nil, true},
		{"all follow", "n0", []*jetstream.PeerInfo{near, near}, true},
		{"one is silent", "n0", []*jetstream.PeerInfo{near, far}, true},
		{"one was never heard", "n0", []*jetstream.PeerInfo{never, near}, true},
		{"both are silent", "n0", []*jetstream.PeerInfo{far, far}, false},
		{"one is silent, one was never heard", "n0", []*jetstream.PeerInfo{far, never}, false},
		{"no leader", "", []*jetstream.PeerInfo{near, near, near}, false},
		{"two of five are silent", "n0", []*jetstream.PeerInfo{near, far, near, far}, true},
		{"three of five are silent", "n0", []*jetstream.PeerInfo{near, far, far, far}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := leads(&jetstream.ClusterInfo{Leader: tt.leader, Replicas: tt.peers}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
