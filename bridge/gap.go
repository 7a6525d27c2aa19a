package bridge

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"bridge/polygon"
)

// gap is a time in which the feed was not streaming, or in which what it sent was lost. It stands on <market>.gap as JSON,
// first as open, and again with the same id when something was done about it.
type gap struct {
	Market   polygon.Market `json:"market"`
	ID       string         `json:"id"`
	State    gapState       `json:"state"`
	Reason   string         `json:"reason"`
	From     time.Time      `json:"from,omitzero"`     // when it was last known to stream; zero while that is not known
	To       time.Time      `json:"to"`                // when it streamed again
	Delay    int            `json:"delay_seconds"`     // by which the feed is late: bars of the gap are older than it by that
	Channels []string       `json:"channels"`          // that were subscribed to
	Outcome  *outcome       `json:"outcome,omitempty"` // nil while the gap is open
}

// gapState is what was done about a gap, as it stands in records and metrics.
type gapState string

const (
	gapOpen     gapState = "open"     // not known yet
	gapFilled   gapState = "filled"   // every bar that the vendor has of it is in the stream
	gapPartly   gapState = "partly"   // some of it could not be asked for
	gapUnfilled gapState = "unfilled" // nothing could be asked for
)

// Reasons of gaps, beside those for which sessions end (see endReason).
const (
	reasonRestart     = "restart"     // the bridge was not there, or nobody was the active one
	reasonTakeover    = "takeover"    // another process was the active one, and is not any more
	reasonSubscribing = "subscribing" // data came while parts of the subscription were not confirmed yet
	reasonQueueFull   = "queue_full"  // frames were refused by the queue
	reasonByHand      = "by_hand"     // somebody wants this time to be filled; it is not recorded
	reasonDamaged     = "damaged"     // frames were in the queue on disk, and could not be read any more
)

// outcome is what was done about a gap.
type outcome struct {
	Asked     int    `json:"asked"`         // tickers that the vendor was asked for, once for each channel
	Failed    int    `json:"failed"`        // of those, the ones without an answer
	Found     int    `json:"found"`         // bars that the vendor has of the time
	Present   int    `json:"present"`       // of those, the ones that the feed had sent
	Published int    `json:"published"`     // of those, the ones that were not in the stream, and are now
	Why       string `json:"why,omitempty"` // it is not filled

	refusal error // of the key or its plan, where that is a part of Why; it is not recorded
}

// gapSubject is where the gaps of a market are recorded.
func gapSubject(m polygon.Market) string { return string(m) + ".gap" }

// newGap returns an open gap. Times are kept to the millisecond.
func newGap(cfg Config, reason string, from, to time.Time) gap {
	g := gap{
		Market:   cfg.Market,
		State:    gapOpen,
		Reason:   reason,
		To:       to.UTC().Truncate(time.Millisecond),
		Delay:    int(feedDelay(cfg).Seconds()),
		Channels: channelsOf(cfg.Subscribe),
	}
	if !from.IsZero() {
		g.From = from.UTC().Truncate(time.Millisecond)
	}
	g.ID = string(appendHex(nil, digest(g.encode())))
	return g
}

// channelsOf returns the channels of a subscription's parameters, each once.
func channelsOf(params []string) (channels []string) {
	for _, param := range params {
		if channel, _, _ := strings.Cut(param, "."); !slices.Contains(channels, channel) {
			channels = append(channels, channel)
		}
	}
	return channels
}

// feedDelay is by how much the feed is late.
func feedDelay(cfg Config) time.Duration {
	if strings.Contains(cfg.FeedURL, "//delayed.") {
		return 15 * time.Minute
	}
	return 0
}

func (g gap) encode() []byte {
	raw, err := json.Marshal(g)
	if err != nil {
		panic(err) // a struct of texts, numbers and times always marshals
	}
	return raw
}

func parseGap(raw []byte) (g gap, err error) {
	err = json.Unmarshal(raw, &g)
	return g, err
}

// messageID is the same however often the gap is recorded in this state.
func (g gap) messageID() string { return "gap." + g.ID + "." + string(g.State) }

func (g gap) length() time.Duration { return max(0, g.To.Sub(g.From)) }

// closed returns the gap with its outcome.
func (g gap) closed(state gapState, o outcome) gap {
	g.State, g.Outcome = state, &o
	return g
}

const (
	// beforeGap is for what the vendor had held back for us when the session ended: it lets slow readers
	// wait before it drops them.
	beforeGap = 30 * time.Second
	// afterGap is for clocks that differ: a bar is sent two seconds after its window, so that those that end
	// after the feed is back come from the feed.
	afterGap = 2 * time.Second
)

// windows is the time in which the windows of the gap's bars begin and end.
func (g gap) windows() span {
	if g.Reason == reasonByHand {
		return span{g.From, g.To}
	}
	delay := time.Duration(g.Delay) * time.Second
	return span{g.From.Add(-delay - beforeGap), g.To.Add(-delay + afterGap)}
}

// span is the time from one instant to another.
type span struct{ from, to time.Time }

// starts returns the first and the last start of a window of that length: the first window has the span's begin in it, and
// the last one ends by the span's end.
func (s span) starts(length time.Duration) (first, last time.Time) {
	return s.from.Truncate(length), s.to.Add(-length)
}
