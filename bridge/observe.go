package bridge

import (
	"time"

	"bridge/polygon"
)

// received counts the events of a frame.
func (m *metrics) received(events []polygon.Event) {
	for i := range events {
		if !events[i].Status {
			m.events[events[i].Channel].Inc()
		}
	}
}

// stored counts and times a message that the stream has.
func (m *metrics) stored(msg *message, duplicate bool, sent, now time.Time) {
	m.lastStored.Store(now.UnixNano())
	m.publishAck.observe(now.Sub(sent))
	if !msg.rest {
		m.delivery.observe(now.Sub(msg.record.at))
	}
	if duplicate {
		m.duplicates.Inc()
		return
	}
	m.published.Inc()
	switch {
	case msg.rest:
		m.backfilled.Inc()
	case msg.revision:
		m.revisions.Inc() // late by what the vendor waited for late trades: no lag of ours
	case msg.end > 0:
		m.eventLag.observe(now.Sub(time.UnixMilli(msg.end)))
	}
}

// dropped counts a frame that was read and is lost.
func (m *metrics) dropped(reason string) { m.framesDropped.WithLabelValues(reason).Inc() }

// retried counts a message that was not stored and is sent again.
func (m *metrics) retried(reason string) { m.messagesRetried.WithLabelValues(reason).Inc() }

// buried counts an event that becomes a dead letter.
func (m *metrics) buried(reason string) { m.messagesDead.WithLabelValues(reason).Inc() }

// gapClosed counts what became of a gap.
func (m *metrics) gapClosed(g gap) {
	m.gapSeconds.WithLabelValues(string(g.State)).Add(g.length().Seconds())
}

// sessionEnded counts a session that ended, or that could not be opened.
func (m *metrics) sessionEnded(reason string) { m.sessionsEnded.WithLabelValues(reason).Inc() }

// enter says what the feed is doing from now on.
func (m *metrics) enter(now State) {
	for _, s := range []State{StateIdle, StateConnecting, StateSubscribing, StateStreaming, StateWaiting} {
		value := 0.0
		if s == now {
			value = 1
		}
		m.sessionState.WithLabelValues(string(s)).Set(value)
	}
}

// subscribed says what became of the parameters of the present session.
func (m *metrics) subscribed(a polygon.Answer) {
	m.subscriptions.WithLabelValues("confirmed").Set(float64(len(a.Confirmed)))
	m.subscriptions.WithLabelValues("refused").Set(float64(len(a.Refused)))
	m.subscriptions.WithLabelValues("silent").Set(float64(len(a.Silent)))
	m.subscriptions.WithLabelValues("unclear").Set(float64(len(a.Unclear)))
}
