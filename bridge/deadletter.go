package bridge

import (
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxHeader is more than the headers of any message of ours have in bytes.
const maxHeader = 512

// reasonSuperseded is why a bar is a dead letter that another bridge has stored in a newer version.
const reasonSuperseded = "superseded"

// bury turns the head of a lane into a dead letter. A dead letter that is refused for ever, which
// only a stream that was changed under us can do, is the one thing that is given up, and not in silence.
func (p *publisher) bury(l *lane, reason string) {
	m := p.takeHead(l)
	if m.reason != "" {
		p.metrics.deadLettersLost.Inc()
		p.log.Error("dead letter refused and dropped", "reason", reason, "bytes", len(m.raw))
		p.retire(m)
		return
	}
	p.dies(m, reason)
}

// dies makes a dead letter of a message that is in no lane.
func (p *publisher) dies(m *message, reason string) {
	m.reason, m.attempts, m.rest, m.id = reason, 0, false, string(appendDeadID(nil, digest(m.raw)))
	p.reportDead(m)
	p.enqueue(p.dead, m)
}

// reportDead counts a dead letter, and logs the first of each reason a minute with the start of it.
func (p *publisher) reportDead(m *message) {
	p.metrics.buried(m.reason)
	p.limited.Warn("dead "+m.reason, "event kept as dead letter", "reason", m.reason, "bytes", len(m.raw),
		"event", strconv.QuoteToASCII(string(m.raw[:min(len(m.raw), 120)])))
}

func deadHeader(m *message) nats.Header {
	return nats.Header{jetstream.MsgIDHeader: {""}, headerReason: {m.reason}}
}

// cutDeadLetter cuts a dead letter to n bytes and says so in its headers.
func cutDeadLetter(out *nats.Msg, n int) {
	out.Header[headerLength] = []string{strconv.Itoa(len(out.Data))}
	out.Header[headerDigest] = []string{string(appendHex(nil, digest(out.Data)))}
	out.Data = out.Data[:max(0, n)]
}
