package bridge

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"

	"github.com/coder/websocket"
)

// vendor is the feed of a schedule: it sends what it is told to, and its sessions end in all the ways in which they do.
type vendor struct {
	*polygontest.Server
	pair    bool
	t       *testing.T
	rng     *rand.Rand            // for what is sent
	fates   *rand.Rand            // for how sessions end
	next    func() ([]byte, bool) // event of the market
	present *present              // the market, where it is one of the present; nil elsewhere
	fills   bool                  // REST has the bars
	made    []madeFrame           // that it has
	newest  map[string]int64      // start of the newest bar of the market, by subject
	changes map[string]bool       // whether a bar, when it was first made, was a correction of an earlier version
	frames  map[int][][]byte      // sent so far, by session; a session that ends may not have had them all
	burst   int                   // events of ten seconds of the market
	dead    int                   // events that are good for nothing
	calm    bool                  // sessions that begin now do not end by themselves
}

func newVendor(t *testing.T, s *schedule) *vendor {
	config := polygontest.Config{Buffer: 4 << 20}
	if s.fills {
		config.REST.Keep = 2 * time.Hour
	}
	v := &vendor{
		Server:  polygontest.NewServer(config),
		pair:    s.pair,
		fills:   s.fills,
		t:       t,
		rng:     rand.New(rand.NewPCG(s.seed, 2)),
		burst:   10 * min(s.perSecond, s.symbols),
		fates:   rand.New(rand.NewPCG(s.seed, 3)),
		frames:  make(map[int][][]byte),
		newest:  make(map[string]int64),
		changes: make(map[string]bool),
	}
	t.Cleanup(v.Close)
	v.plan()
	if s.present {
		v.present = newPresent(v.rng, s.symbols)
		v.next = v.present.event
		return v
	}
	oddities := polygontest.Typical()
	oddities.Corrected, oddities.Repeated = .2, .1
	if !s.repeats() {
		oddities.Repeated = 0
	}
	market := polygontest.Market{
		Symbols:   polygontest.Symbols(s.symbols),
		PerSecond: s.perSecond,
		Seed:      s.seed,
		Minutes:   true,
		Oddities:  oddities,
	}
	var stop func()
	v.next, stop = iter.Pull(market.Events())
	t.Cleanup(stop)
	return v
}

// plan says how the next session will end, if it will.
func (v *vendor) plan() {
	if v.calm {
		return
	}
	after := v.fates.IntN(80)
	ends := []polygontest.Fault{
		polygontest.DropAfter(after),
		polygontest.ResetAfter(after),
		polygontest.CloseAfter(after, websocket.StatusGoingAway),
		polygontest.CutMidFrame(after),
		polygontest.RefuseUpgrade(503),
		polygontest.NoPongs(),
	}
	if !v.pair { // behind these a bridge waits for a minute, and would keep the lease
		ends = append(ends, polygontest.StallAfter(after), polygontest.EvictAfter(after))
	}
	if fate := v.fates.IntN(16); fate < len(ends) {
		v.NextSession(ends[fate])
	} else {
		v.NextSession()
	}
}

// sent is the tape, in the order of the sessions: the last frame to a bridge that was paused gets onto it when that goes on.
func (v *vendor) sent() []polygontest.Sent {
	return slices.SortedStableFunc(slices.Values(v.Tape().Events()), func(a, b polygontest.Sent) int { return cmp.Compare(a.Session, b.Session) })
}

// send sends n frames to a session: mostly some events each, now and then a burst of several seconds of the market.
func (v *vendor) send(session, n int) {
	for range n {
		events := 1 + v.rng.IntN(10)
		if v.rng.IntN(20) == 0 {
			events = v.burst
		}
		frame := v.frame(events)
		v.frames[session] = append(v.frames[session], frame)
		v.letAsk(frame)
		v.SendTo(session, frame) // the next one's frames are counted for itself
	}
}

// frame makes one frame of the market's next events, with one among them now and then that no stream can take.
func (v *vendor) frame(events int) []byte {
	var list []string
	for range events {
		if v.rng.IntN(100) == 0 {
			v.dead++
			list = append(list, fmt.Sprintf(`{"ev":"ZZ","sym":"X","s":%d}`, v.dead))
		}
		event, _ := v.next()
		v.remember(event)
		list = append(list, string(event))
	}
	return []byte("[" + strings.Join(list, ",") + "]")
}

// remember notes whether an event corrects an earlier one. The tape does not tell: the earlier one may have been sent to nobody.
func (v *vendor) remember(event []byte) {
	bar := polygon.Stocks.Split(nil, []byte("["+string(event)+"]"))[0]
	_, known := v.changes[string(event)]
	if known || bar.Fault != "" || !bar.Channel.Kind.Aggregate() {
		return
	}
	subject := subjectOf(v.t, event)
	v.changes[string(event)] = bar.Time <= v.newest[subject]
	v.newest[subject] = max(v.newest[subject], bar.Time)
}
