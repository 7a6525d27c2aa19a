package bridge

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// settle gives the bridge the time to bring everything into the stream, with all faults ended, and ends it.
func (w *world) settle() {
	w.bus.mend()
	w.bus.widen(0)
	switch {
	case w.bridge.cmd == nil:
		w.startBridge()
	case w.paused:
		w.continueBridge()
	}
	if w.diskIs != diskWell {
		w.setDisk(diskWell)
	}
	w.vendor.calm = true
	w.streamAll()
	if w.refused[w.first] > 0 {
		w.streamAll() // the queue takes it
		<-time.After(fullFor)
		w.streamAll() // the gap is recorded
	}
	w.endBridge()
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
	must    bool // it was read, and nothing that happened is an excuse for its absence
}

// storedEvent is a message of the stream.
type storedEvent struct {
	raw string
	at  time.Time
}

// compare reads the stream and compares it with the tape.
func (w *world) compare() {
	have := make(map[string][]storedEvent)
	for _, m := range readStream(w.t, w.bus.servers[0].url, "STOCKS") {
		meta, err := m.Metadata()
		if err != nil {
			w.t.Fatal(err)
		}
		have[m.Subject()] = append(have[m.Subject()], storedEvent{string(m.Data()), meta.Timestamp})
	}
	gaps, tape := w.readGaps(have["stocks.gap"]), w.missable(have)
	w.checkGaps(gaps, tape)
	refused := w.refusals(tape)
	delete(have, "stocks.gap")

	want := make(map[string][]sentEvent)
	must, doubtful := 0, 0
	for _, e := range w.vendor.Tape().Events() {
		one := sentEvent{string(e.Raw), e.Session, e.Frame <= w.safe[e.Session] && !refused[frameWith(e)]}
		subject := subjectOf(w.t, e.Raw)
		want[subject] = append(want[subject], one)
		if one.must {
			must++
		} else {
			doubtful++
		}
	}
	wrong := 0
	for _, subject := range slices.Sorted(maps.Keys(merged(want, have))) {
		for _, problem := range differences(want[subject], have[subject], w.brief && !w.tight) {
			if wrong++; wrong <= 10 {
				w.t.Errorf("%s: %s", subject, problem)
			}
		}
	}
	if wrong > 10 {
		w.t.Errorf("%d differences in all", wrong)
	}
	w.t.Logf("queue on disk %v, %d sessions, %d frames refused, %d events that had to be stored, %d that may not have been read, or not kept", w.disk, w.vendor.Stats().Sessions, len(refused), must, doubtful)
}

// merged returns the subjects of both.
func merged(want map[string][]sentEvent, have map[string][]storedEvent) map[string]bool {
	all := make(map[string]bool)
	for subject := range want {
		all[subject] = true
	}
	for subject := range have {
		all[subject] = true
	}
	return all
}

// differences says what is wrong with the messages of a subject: altered, twice, in another order, lost. Where the vendor
// repeats nothing and the queue refuses nothing, what is missing of a session must be its end.
func differences(want []sentEvent, have []storedEvent, unique bool) (problems []string) {
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	places := make(map[string][]int) // of an event in want
	for i, e := range want {
		places[e.raw] = append(places[e.raw], i)
	}
	times := make(map[string][]time.Time) // at which an event was stored
	at := -1                              // place of the last one
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
		next := slices.IndexFunc(possible, func(place int) bool { return place > at })
		if next < 0 {
			report("message %d is behind one that was sent later, %s: %s", i, want[at].raw, e.raw)
			continue
		}
		at = possible[next]
	}
	ended := make(map[int]string) // sessions, with the first event that is missing
	for _, e := range want {
		missing := len(times[e.raw]) == 0
		switch {
		case missing && e.must:
			report("lost: %s, of session %d", e.raw, e.session)
		case missing:
			if ended[e.session] == "" {
				ended[e.session] = e.raw
			}
		case unique && ended[e.session] != "":
			report("session %d lost %s and not what came later: %s", e.session, ended[e.session], e.raw)
		}
	}
	return problems
}
