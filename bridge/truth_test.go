package bridge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// settle gives the bridge the time to bring everything into the stream, with all faults ended, and ends it.
func (w *world) settle() {
	w.bus.mend()
	w.bus.widen()
	for _, w.host = range w.hosts {
		w.links.set(linkOpen)
		switch {
		case w.bridge.cmd == nil:
			w.startBridge()
		case w.bridge.paused:
			w.continueBridge()
		}
		if w.diskIs != diskWell {
			w.setDisk(diskWell)
		}
	}
	w.vendor.calm = true
	for range w.hosts { // in turns
		w.streamAll()
		if w.refused[w.first] > 0 {
			w.streamAll() // the queue takes it
			<-time.After(fullFor)
			w.streamAll() // the gap is recorded
		}
		if w.fills {
			w.awaitOutcomes()
		}
		w.endBridge()
	}
	w.awaitVendor("all connections end", func(st polygontest.Stats) bool { return st.Open == 0 })
	if n := w.vendor.Stats().Evicted; w.pair && n > w.mayEvict {
		w.t.Errorf("the vendor had to end %d sessions because there was another, and at most %d were of a bridge that was paused", n, w.mayEvict)
	}
}

// streamAll sends a little in a session that goes on, and waits until all that was read is in the stream.
func (w *world) streamAll() {
	for done := false; !done; {
		w.awaitSession()
		w.vendor.send(w.session, 5)
		w.awaitRead()
		done = w.streams()
	}
	w.awaitStored()
}

// sentEvent is an event of the tape.
type sentEvent struct {
	raw     string
	session int
	of      *host // that had the session
	must    bool  // it was read, and nothing that happened is an excuse for its absence
}

// storedEvent is a message of the stream.
type storedEvent struct {
	raw    string
	at     time.Time
	rest   bool // it is from REST
	dead   bool // it is a dead letter, as the other of two bridges has stored a newer version
	filled bool // so, and there is one from REST before it, which was asked for later than it was read
}

// compare reads the stream and compares it with the tape.
func (w *world) compare() {
	have := make(map[string][]storedEvent) // without those from REST
	var bars []storedBar
	filled := make(map[string]bool) // bars from REST so far
	for _, m := range readStream(w.t, w.bus.servers[0].url, "STOCKS") {
		meta, err := m.Metadata()
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasPrefix(m.Subject(), "others.") {
			continue
		}
		e, subject := storedEvent{raw: string(m.Data()), at: meta.Timestamp}, m.Subject()
		if m.Headers().Get(headerReason) == reasonSuperseded {
			e.dead, subject = true, subjectOf(w.t, m.Data())
			e.filled = filled[windowOf(w.t, m.Data())]
		}
		if e.rest = m.Headers().Get(headerSource) != ""; e.rest || kindOf(polygon.Stocks, subject).Aggregate() {
			bars = append(bars, storedBar{e, m.Subject(), windowOf(w.t, m.Data()), windowEnd(m.Data())})
		}
		if e.rest {
			filled[windowOf(w.t, m.Data())] = true
		} else {
			have[subject] = append(have[subject], e)
		}
	}
	if w.fills {
		w.checkFills(have["stocks.gap"], bars)
	}
	gaps, tape := w.readGaps(have["stocks.gap"]), w.missable(have)
	w.checkGaps(gaps, tape, bars)
	refused := w.refusals(tape)
	delete(have, "stocks.gap")

	want := make(map[string][]sentEvent)
	must, doubtful := 0, 0
	for _, e := range w.vendor.sent() {
		of := w.hostOf(e.Session)
		one := sentEvent{string(e.Raw), e.Session, of, e.Frame <= of.safe[e.Session] && !refused[frameWith(e)]}
		subject := subjectOf(w.t, e.Raw)
		want[subject] = append(want[subject], one)
		if one.must {
			must++
		} else {
			doubtful++
		}
	}
	report := w.differences("differences")
	subjects := slices.AppendSeq(slices.Collect(maps.Keys(want)), maps.Keys(have))
	slices.Sort(subjects)
	for _, subject := range slices.Compact(subjects) {
		want, have := want[subject], have[subject]
		for _, problem := range append(misplaced(want, have), missing(want, have, !w.repeats() && !w.tight)...) {
			report("%s: %s", subject, problem)
		}
	}
	w.t.Logf("queue on disk %v, %d sessions, %d frames refused, %d events that had to be stored, %d that may not have been read, or not kept", w.disk, w.vendor.Stats().Sessions, len(refused), must, doubtful)
}

// differences returns how to report something that is wrong. What there is of it beyond ten is only counted, at the end.
func (w *world) differences(of string) (report func(format string, args ...any)) {
	n := 0
	w.t.Cleanup(func() {
		if n > 10 {
			w.t.Errorf("%d %s in all", n, of)
		}
	})
	return func(format string, args ...any) {
		w.t.Helper()
		if n++; n <= 10 {
			w.t.Errorf(format, args...)
		}
	}
}

// misplaced says which messages of a subject are altered, twice, or in another order.
//
// Each bridge stores in order what it has read. Of two, one may store late what it could not store before the other became active: not
// before it is active again, and not behind a newer version of the same bar, or one from REST.
func misplaced(want []sentEvent, have []storedEvent) (problems []string) {
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	places := make(map[string][]int) // of an event in want
	for i, e := range want {
		places[e.raw] = append(places[e.raw], i)
	}
	times := make(map[string][]time.Time) // at which an event was stored
	next := make(map[*host]int)           // least place for what is stored next
	var stored []placed                   // so far
	for i, e := range have {
		before := times[e.raw]
		times[e.raw] = append(before, e.at)
		possible := places[e.raw]
		switch n := len(before); {
		case len(possible) == 0:
			report("message %d was never sent: %s", i, e.raw)
			continue
		case n > 0 && (n >= len(possible) || e.at.Sub(before[n-1]) < duplicateWindow-10*time.Second):
			report("message %d is there twice, %v apart: %s", i, e.at.Sub(before[n-1]), e.raw)
			continue
		case n == 0:
			if must := slices.IndexFunc(possible, func(place int) bool { return want[place].must }); must >= 0 {
				possible = possible[:must+1] // a repetition comes too late
			}
		}
		of := want[possible[0]].of
		last, superseded := overtaken(want, stored, possible[0])
		switch {
		case e.dead && !superseded && !e.filled:
			report("message %d is a dead letter, and there is no newer version before it: %s", i, e.raw)
		case !e.dead && superseded:
			report("message %d is behind a newer version: %s", i, e.raw)
		case !last.IsZero() && !of.becameActive(last, e.at):
			report("message %d is behind what the other bridge has read later, and its own has not become active since: %s", i, e.raw)
		}
		if e.dead {
			continue
		}
		first := slices.IndexFunc(possible, func(place int) bool { return place >= next[of] })
		if first < 0 {
			report("message %d is behind one that was sent later, %s: %s", i, want[next[of]-1].raw, e.raw)
			continue
		}
		stored = append(stored, placed{possible[first], e.at})
		next[of] = possible[first] + 1
	}
	return problems
}

// missing says which events of a subject are lost. Where the vendor repeats nothing and the queue refuses nothing, what is missing of a session
// must be its end.
func missing(want []sentEvent, have []storedEvent, unique bool) (problems []string) {
	stored := make(map[string]bool)
	for _, e := range have {
		stored[e.raw] = true
	}
	ended := make(map[int]string) // sessions, with the first event that is missing
	for _, e := range want {
		switch {
		case stored[e.raw]:
			if unique && ended[e.session] != "" {
				problems = append(problems, fmt.Sprintf("session %d lost %s and not what came later: %s", e.session, ended[e.session], e.raw))
			}
		case e.must:
			problems = append(problems, fmt.Sprintf("lost: %s, of session %d", e.raw, e.session))
		case ended[e.session] == "":
			ended[e.session] = e.raw
		}
	}
	return problems
}

// placed is a message, by the place of its event in what was sent.
type placed struct {
	place int
	at    time.Time
}

// overtaken tells whether the other of two bridges has read later than an event what is stored before it: when the last of that was
// stored, and whether a version of the same bar is among it.
func overtaken(want []sentEvent, stored []placed, place int) (last time.Time, superseded bool) {
	for _, s := range stored {
		if e := want[s.place]; s.place > place && e.of != want[place].of {
			last = s.at
			superseded = superseded || sameBar(e.raw, want[place].raw)
		}
	}
	return last, superseded
}

// sameBar reports whether two events of a subject are versions of one bar.
func sameBar(a, b string) bool {
	events := polygon.Stocks.Split(nil, []byte("["+a+","+b+"]"))
	return events[0].Fault == "" && events[0].Time == events[1].Time
}

// becameActive reports whether the bridge did, of two, between two times.
func (h *host) becameActive(from, to time.Time) bool {
	for line := range strings.Lines(h.bridge.log.String()) {
		stamp, what, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		if at, err := time.Parse(time.RFC3339, stamp); err == nil && strings.Contains(what, `"lease acquired"`) && at.After(from) && at.Before(to) {
			return true
		}
	}
	return false
}
