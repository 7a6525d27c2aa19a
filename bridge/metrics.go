package bridge

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"bridge/bridge/internal/spool"
	"bridge/polygon"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics is what the bridge counts and measures. Every series has the label market; the other labels
// have values from closed sets only, never a symbol. What happens for every event finds its counter
// without a look-up by label.
type metrics struct {
	registerer prometheus.Registerer
	gatherer   prometheus.Gatherer // nil when the registerer of Options cannot be read back

	active           prometheus.Gauge
	framesReceived   prometheus.Counter
	continuityBreaks prometheus.Counter
	natsConnections  prometheus.Counter
	reconciled       prometheus.Counter
	rollbacks        prometheus.Counter

	published       prometheus.Counter
	duplicates      prometheus.Counter
	revisions       prometheus.Counter
	deadLettersLost prometheus.Counter
	backfilled      prometheus.Counter
	lastStored      atomic.Int64 // when the stream last took a message, Unix ns
	publishAck      *histogram
	delivery        *histogram
	eventLag        *histogram

	events          map[*polygon.Channel]prometheus.Counter // faults are of the channel nil
	framesDropped   *prometheus.CounterVec
	messagesRetried *prometheus.CounterVec
	messagesDead    *prometheus.CounterVec
	sessionsEnded   *prometheus.CounterVec
	gaps            *prometheus.CounterVec
	gapSeconds      *prometheus.CounterVec
	sessionState    *prometheus.GaugeVec
	subscriptions   *prometheus.GaugeVec
}

// newMetrics registers the metrics of a market. A nil registerer makes a registry of its own.
func newMetrics(reg prometheus.Registerer, market polygon.Market) *metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	gatherer, _ := reg.(prometheus.Gatherer)
	registerProcess(reg)
	m := &metrics{registerer: prometheus.WrapRegistererWith(prometheus.Labels{"market": string(market)}, reg), gatherer: gatherer}

	m.active = m.gauge("bridge_active", "1 while this bridge is the active one, 0 while it stands by.")
	m.framesReceived = m.counter("bridge_frames_received_total", "Frames read from the feed.")
	m.framesDropped = m.counters("bridge_frames_dropped_total", "Frames that were read and lost.", "reason")
	m.sessionState = m.gauges("bridge_session_state", "1 for what the feed is doing, 0 for the other states.", "state")
	m.enter(StateIdle)
	m.sessionsEnded = m.counters("bridge_sessions_ended_total", "Sessions with the feed that ended, or could not be opened.", "reason")
	m.gaps = m.counters("bridge_gaps_total", "Times in which the feed was not streaming, or what it sent was lost, that have ended.", "reason")
	m.gapSeconds = m.counters("bridge_gap_seconds_total", "Length of the gaps that have an outcome.", "outcome")
	m.backfilled = m.counter("bridge_backfill_bars_total", "Bars from REST that the stream stored; they are among the published messages.")
	m.subscriptions = m.gauges("bridge_subscriptions", "Parameters of POLYGON_SUBSCRIBE by what the feed answered.", "outcome")
	m.continuityBreaks = m.counter("bridge_continuity_breaks_total",
		"Bars whose accumulated volume does not follow from the symbol's bar before. Late trades do that all day; many at once hint at missed bars.")
	m.countEvents(market)

	m.published = m.counter("bridge_messages_published_total", "Messages that the stream stored, dead letters included.")
	m.duplicates = m.counter("bridge_messages_duplicate_total", "Messages that the stream already had.")
	m.revisions = m.counter("bridge_revisions_total", "Published bars that were not newer than the newest of their symbol.")
	m.messagesRetried = m.counters("bridge_messages_retried_total", "Messages that were not stored and are sent again.", "reason")
	m.messagesDead = m.counters("bridge_messages_dead_total", "Events that could not be published and became dead letters.", "reason")
	m.deadLettersLost = m.counter("bridge_dead_letters_lost_total", "Dead letters that the stream refused for ever.")
	m.natsConnections = m.counter("bridge_nats_connections_total", "Connections made to NATS.")
	m.reconciled = m.counter("bridge_messages_reconciled_total", "Messages without an ack that the stream turned out to have.")
	m.rollbacks = m.counter("bridge_nats_rollbacks_total", "Times that NATS had lost what it had acknowledged.")

	// A series that begins with its first event hides that event from increase().
	m.framesDropped.WithLabelValues("queue_full")
	for _, state := range []gapState{gapFilled, gapPartly, gapUnfilled} {
		m.gapSeconds.WithLabelValues(string(state))
	}
	for _, reason := range []string{reasonRestart, reasonTakeover, reasonSubscribing, reasonQueueFull, reasonDamaged, "disconnected", "silent", "max_connections"} {
		m.gaps.WithLabelValues(reason)
	}
	for _, reason := range []string{"dial", "disconnected", "silent", "max_connections", "not_entitled", "auth_timeout"} {
		m.sessionsEnded.WithLabelValues(reason)
	}
	for _, reason := range []polygon.Fault{polygon.FaultMalformed, polygon.FaultNotObject, polygon.FaultNoType, polygon.FaultUnknownType,
		polygon.FaultNoSymbol, polygon.FaultNoTime, polygon.FaultDuplicateKey, "symbol", "too_large", reasonSuperseded} {
		m.messagesDead.WithLabelValues(string(reason))
	}

	m.publishAck = m.histogram("bridge_publish_ack_seconds", "From sending a message to its ack.", ackBuckets)
	m.delivery = m.histogram("bridge_delivery_seconds", "From reading a frame to the ack of a message in it.", ackBuckets)
	m.eventLag = m.histogram("bridge_event_lag_seconds", "From the end of a bar's window to the ack; the vendor itself sends 2 s after the end, on delayed plans 15 minutes.", lagBuckets)
	return m
}

var (
	ackBuckets = times(.0005, .001, .0025, .005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10, 30, 60, 300)
	// lagBuckets are fine where real time (2 s) and delayed plans (15 minutes and 2 s) are when all is well.
	lagBuckets = times(.5, 1, 1.5, 2, 2.1, 2.25, 2.5, 3, 4, 5, 10, 30, 60, 300, 900, 902, 903, 905, 910, 930, 1200, 1800)
)

func times(seconds ...float64) (all []time.Duration) {
	for _, s := range seconds {
		all = append(all, time.Duration(s*float64(time.Second)))
	}
	return all
}

// registerProcess registers what is not of a market. Another part of the program may have done so before.
func registerProcess(reg prometheus.Registerer) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bridge_build_info", Help: "1, with the version of the bridge and of Go as labels.",
		ConstLabels: prometheus.Labels{"version": Version(), "go": runtime.Version()},
	})
	info.Set(1)
	for _, c := range []prometheus.Collector{info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := reg.Register(c); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			panic(err) // two descriptions of one metric: a mistake in the program
		}
	}
}

// countEvents makes a counter for each channel, and one for what belongs to none.
func (m *metrics) countEvents(market polygon.Market) {
	received := m.counters("bridge_events_received_total", "Events in the frames read from the feed, by channel; none for what is no event.", "channel")
	m.events = map[*polygon.Channel]prometheus.Counter{nil: received.WithLabelValues("none")}
	for _, c := range market.Channels() {
		m.events[c] = received.WithLabelValues(c.Type)
	}
}

// watchQueue makes the queue's depth visible.
func (m *metrics) watchQueue(q queue) {
	m.gaugeFunc("bridge_queue_records", "Frames that are read and not stored yet.", func() float64 {
		records, _, _ := q.Depth()
		return float64(records)
	})
	m.gaugeFunc("bridge_queue_bytes", "Bytes of the frames that are read and not stored yet.", func() float64 {
		_, bytes, _ := q.Depth()
		return float64(bytes)
	})
	m.gaugeFunc("bridge_queue_oldest_seconds", "Age of the oldest frame that is read and not stored yet. It rises whenever delivery stalls.", func() float64 {
		_, _, oldest := q.Depth()
		return oldest.Seconds()
	})
}

// watchBackfill makes visible how many gaps are to be filled.
func (m *metrics) watchBackfill(q *fillQueue) {
	m.gaugeFunc("bridge_backfill_pending", "Gaps that are being filled, or wait for that.", func() float64 { return float64(q.pending()) })
	m.gaugeFunc("bridge_backfill_requests_pending", "Tickers that are still to be asked for, for the gap that is being filled.", func() float64 { return float64(q.left.Load()) })
}

// watchSpool makes visible what is wrong with the queue on disk.
func (m *metrics) watchSpool(l *spool.Log) {
	m.gaugeFunc("bridge_spool_failing", "1 while the disk takes nothing and the queue goes on in memory.", func() float64 {
		if l.Err() != nil {
			return 1
		}
		return 0
	})
	m.gaugeFunc("bridge_spool_damaged", "Damaged places that were found in the queue on disk, and skipped, since the start.", func() float64 {
		return float64(l.Damaged())
	})
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registerer.MustRegister(c)
	return c
}

func (m *metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.registerer.MustRegister(g)
	return g
}

func (m *metrics) counters(name, help, label string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	m.registerer.MustRegister(c)
	return c
}

func (m *metrics) gauges(name, help, label string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{label})
	m.registerer.MustRegister(g)
	return g
}

func (m *metrics) gaugeFunc(name, help string, value func() float64) {
	m.registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func (m *metrics) histogram(name, help string, bounds []time.Duration) *histogram {
	h := newHistogram(name, help, bounds)
	m.registerer.MustRegister(h)
	return h
}
