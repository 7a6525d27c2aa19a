package bridge

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/polygon"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// retries is how many messages were to be sent again, for whatever reason.
func (m *metrics) retries() int {
	n := 0
	for _, s := range gather(m.gatherer)["bridge_messages_retried_total"] {
		n += int(s.GetCounter().GetValue())
	}
	return n
}

// gather returns all series by the name of their metric.
func gather(g prometheus.Gatherer) map[string][]*dto.Metric {
	families, err := g.Gather()
	if err != nil {
		panic(err)
	}
	all := make(map[string][]*dto.Metric)
	for _, f := range families {
		all[f.GetName()] = f.GetMetric()
	}
	return all
}

// value returns the counter or gauge whose labels include those given, as in reason=queue_full.
func value(t *testing.T, m *metrics, name string, labels ...string) float64 {
	t.Helper()
	for _, s := range gather(m.gatherer)[name] {
		have := make([]string, 0, len(s.GetLabel()))
		for _, l := range s.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(have, l) }) {
			return s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
	}
	t.Fatalf("no series %s%v", name, labels)
	return 0
}

func TestMetricsCount(t *testing.T) {
	m := newMetrics(nil, polygon.Stocks)
	second := polygon.Stocks.Channel("A")
	m.received([]polygon.Event{{Channel: second}, {Channel: second}, {Status: true}, {Fault: polygon.FaultMalformed}})
	m.dropped("queue_full")
	m.retried("timeout")
	m.buried("symbol")
	m.deadLettersLost.Inc()
	m.sessionEnded("disconnected")
	m.enter(StateConnecting)
	m.enter(StateStreaming)
	m.subscribed(polygon.Answer{Confirmed: []string{"A.*", "AM.*"}, Silent: []string{"Z.*"}})
	q := newMemory(1 << 20)
	m.watchQueue(q)
	if err := q.Append(0, []byte("[]"), time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, label string
		want        float64
	}{
		{"bridge_events_received_total", "channel=A", 2},
		{"bridge_events_received_total", "channel=AM", 0},
		{"bridge_events_received_total", "channel=none", 1},
		{"bridge_frames_dropped_total", "reason=queue_full", 1},
		{"bridge_messages_retried_total", "reason=timeout", 1},
		{"bridge_messages_dead_total", "reason=symbol", 1},
		{"bridge_dead_letters_lost_total", "market=stocks", 1},
		{"bridge_sessions_ended_total", "reason=disconnected", 1},
		{"bridge_session_state", "state=connecting", 0},
		{"bridge_session_state", "state=streaming", 1},
		{"bridge_subscriptions", "outcome=confirmed", 2},
		{"bridge_subscriptions", "outcome=refused", 0},
		{"bridge_subscriptions", "outcome=silent", 1},
		{"bridge_queue_records", "market=stocks", 1},
		{"bridge_queue_bytes", "market=stocks", 2},
		{"bridge_build_info", "version=" + Version(), 1},
	} {
		if got := value(t, m, tt.name, tt.label); got != tt.want {
			t.Errorf("%s{%s}: got %v, want %v", tt.name, tt.label, got, tt.want)
		}
	}
}

func TestMetricsOfStoredMessages(t *testing.T) {
	m := newMetrics(nil, polygon.Stocks)
	now := time.UnixMilli(1_754_055_003_500)
	const end = 1_754_055_001_000
	read := &loaded{at: now.Add(-20 * time.Millisecond)}
	sent := now.Add(-3 * time.Millisecond)
	m.stored(&message{end: end, record: read}, false, sent, now)
	m.stored(&message{end: end, record: read, revision: true}, false, sent, now)
	m.stored(&message{end: end, record: read}, true, sent, now)
	m.stored(&message{record: read, reason: "malformed"}, false, sent, now) // of no channel
	for name, want := range map[string]float64{
		"bridge_messages_published_total": 3,
		"bridge_messages_duplicate_total": 1,
		"bridge_revisions_total":          1,
	} {
		if got := value(t, m, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]struct {
		n   uint64
		sum float64
	}{
		"bridge_publish_ack_seconds": {4, 0.012},
		"bridge_delivery_seconds":    {4, 0.08},
		"bridge_event_lag_seconds":   {1, 2.5}, // from the window's end, and of the first version only
	} {
		h := gather(m.gatherer)[name][0].GetHistogram()
		if h.GetSampleCount() != want.n || h.GetSampleSum() < want.sum-1e-9 || h.GetSampleSum() > want.sum+1e-9 {
			t.Errorf("%s: got %d samples, sum %v; want %d, %v", name, h.GetSampleCount(), h.GetSampleSum(), want.n, want.sum)
		}
	}
}

// A registry that the whole program shares has the Go runtime's metrics already.
func TestMetricsJoinARegistryInUse(t *testing.T) {
	reg := prometheus.NewRegistry()
	newMetrics(reg, polygon.Stocks)
	m := newMetrics(reg, polygon.Crypto)
	m.framesReceived.Inc()
	if got := value(t, m, "bridge_frames_received_total", "market=crypto"); got != 1 {
		t.Errorf("got %v frames, want 1", got)
	}
}

func TestMetricNamesAndLabels(t *testing.T) {
	m := newMetrics(nil, polygon.Stocks)
	for name, series := range gather(m.gatherer) {
		if !strings.HasPrefix(name, "bridge_") || name == "bridge_build_info" {
			continue
		}
		labels := make(map[string]bool)
		for _, l := range series[0].GetLabel() {
			labels[l.GetName()] = true
		}
		if !labels["market"] {
			t.Errorf("%s has no market, only %v", name, slices.Collect(maps.Keys(labels)))
		}
		if series[0].Counter != nil && !strings.HasSuffix(name, "_total") {
			t.Errorf("counter %s does not end in _total", name)
		}
	}
}
