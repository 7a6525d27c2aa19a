package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// slack is for the time in which one second's events are sent and read, on a busy machine.
	slack = 3 * time.Second
	// duplicateWindow is that of the stream, less what may pass between the server's two looks at the clock.
	duplicateWindow = 2*time.Minute - 10*time.Second
)

// comparison is the stream against the tape.
type comparison struct {
	tape  *tape
	first map[key]int // place of the bar's first version on the tape

	gaps      []gap // each as it was recorded last
	sent      int   // messages from the feed
	revisions int   // of those, said to be corrections or repetitions
	rest      int   // messages from REST

	stored map[string][]time.Time // when, by raw
	bars   map[key]string         // the newest version that was stored
	place  map[string]int         // on the tape, of a subject's newest message from the feed
	newest map[string]int64       // window of a subject's newest bar from the feed

	differences []error
}

func newComparison(t *tape) *comparison {
	c := &comparison{
		tape:   t,
		first:  make(map[key]int),
		stored: make(map[string][]time.Time),
		bars:   make(map[key]string),
		place:  make(map[string]int),
		newest: make(map[string]int64),
	}
	for i, e := range t.events {
		if !e.again {
			c.first[e.key()] = i
		}
	}
	return c
}

func (m message) problem(format string, args ...any) error {
	return fmt.Errorf("message %d, %s, %s %s", m.seq, m.subject, m.raw, fmt.Sprintf(format, args...))
}

func (c *comparison) differ(err error) { c.differences = append(c.differences, err) }

// compare finds all differences.
func (c *comparison) compare(messages []message) {
	for _, m := range messages {
		if m.subject == "stocks.gap" {
			c.readGap(m)
		}
	}
	for _, m := range messages {
		switch {
		case m.subject == "stocks.gap":
		case !strings.HasPrefix(m.subject, subjectPrefix):
			c.differ(m.problem("is no bar"))
		case m.rest:
			c.readREST(m)
		default:
			c.readSent(m)
		}
	}
	for _, g := range c.gaps {
		if g.State != "filled" {
			c.differ(fmt.Errorf("not filled: %v", g))
		}
	}
	c.findLost()
}

// readGap notes a gap, or what became of it.
func (c *comparison) readGap(m message) {
	var g gap
	if err := json.Unmarshal([]byte(m.raw), &g); err != nil {
		c.differ(m.problem("%v", err))
		return
	}
	for i := range c.gaps {
		if c.gaps[i].ID != g.ID {
			continue
		}
		if c.gaps[i].State != "open" || g.State == "open" {
			c.differ(m.problem("was recorded before"))
		}
		c.gaps[i] = g
		return
	}
	if g.State != "open" || g.To.Before(g.From) {
		c.differ(m.problem("begins no gap"))
	}
	c.gaps = append(c.gaps, g)
}

// inGap reports whether an event that was sent then may have been missed.
func (c *comparison) inGap(sent time.Time) bool {
	for _, g := range c.gaps {
		if !sent.Before(g.From.Add(-slack)) && !sent.After(g.To.Add(slack)) {
			return true
		}
	}
	return false
}

// readSent compares a message from the feed.
func (c *comparison) readSent(m message) {
	c.sent++
	places := c.tape.places[m.raw]
	if len(places) == 0 {
		c.differ(m.problem("was never sent"))
		return
	}
	e := c.tape.events[places[0]]
	if m.subject != subjectPrefix+e.Sym {
		c.differ(m.problem("is on the wrong subject"))
	}

	before := c.stored[m.raw]
	c.stored[m.raw] = append(before, m.at)
	switch n := len(before); {
	case n > 0 && m.at.Sub(before[n-1]) < duplicateWindow:
		c.differ(m.problem("is there twice, %v apart", m.at.Sub(before[n-1])))
		return
	case n >= len(places):
		c.differ(m.problem("is there %d times and was sent %d times", n+1, len(places)))
		return
	case len(places) == 1 && !e.again && c.bars[e.key()] != "":
		c.differ(m.problem("is behind a bar of the same window: %s", c.bars[e.key()]))
		return
	}
	c.bars[e.key()] = m.raw
	c.readOrder(m, e, places)
}

// readOrder compares the place of a message among those of its subject with the places that its event has on the tape.
func (c *comparison) readOrder(m message, e event, places []int) {
	last, any := c.place[m.subject]
	for len(places) > 0 && any && places[0] <= last {
		places = places[1:]
	}
	if len(places) == 0 {
		c.differ(m.problem("is behind one that was sent later: %s", c.tape.events[last].raw))
		return
	}
	c.place[m.subject] = places[0]
	if newest, any := c.newest[m.subject]; m.revision != (any && e.S <= newest) {
		c.differ(m.problem("is marked as a revision: %v", m.revision))
	}
	if m.revision {
		c.revisions++
	}
	c.newest[m.subject] = max(c.newest[m.subject], e.S)
}

// readREST compares a bar from REST.
func (c *comparison) readREST(m message) {
	c.rest++
	b, err := parseBar(m.raw)
	if err != nil {
		c.differ(m.problem("%v", err))
		return
	}
	k := key{b.Sym, b.S}
	first, ok := c.first[k]
	if !ok {
		c.differ(m.problem("was never made"))
		return
	}
	e := c.tape.events[first]
	switch {
	case m.subject != subjectPrefix+b.Sym || m.revision:
		c.differ(m.problem("is on the wrong subject, or marked as a revision"))
	case c.bars[k] != "":
		c.differ(m.problem("is behind a bar of the same window: %s", c.bars[k]))
	case !c.inGap(e.sent):
		c.differ(m.problem("was missed outside every gap"))
	case !c.hasVersion(first, b):
		c.differ(m.problem("is not the bar %s", e.raw))
	}
	c.bars[k] = m.raw
}

// hasVersion reports whether a version of the bar, of which the first is in that place, is the one from REST.
func (c *comparison) hasVersion(first int, b bar) bool {
	for _, e := range c.tape.events[first:] {
		volume, err := e.DV.Float64()
		if e.key() == (key{b.Sym, b.S}) && e.O == b.O && e.H == b.H && e.L == b.L && e.C == b.C && err == nil && volume == b.V {
			return true
		}
	}
	return false
}

// findLost looks for what the stream must have, from the second after the feed's first message to the one before its last.
func (c *comparison) findLost() {
	var from, to time.Time
	for _, e := range c.tape.events {
		if len(c.stored[e.raw]) > 0 {
			if from.IsZero() {
				from = e.sent
			}
			to = e.sent
		}
	}
	for _, e := range c.tape.events {
		switch {
		case !e.sent.After(from) || !e.sent.Before(to):
		case len(c.stored[e.raw]) == 0 && !c.inGap(e.sent):
			c.differ(fmt.Errorf("lost: %s, sent at %v", e.raw, e.sent.UTC()))
		case c.bars[e.key()] == "" && e.life == len(c.tape.lives)-1:
			c.differ(fmt.Errorf("lost in a gap, and not filled: %s, sent at %v", e.raw, e.sent.UTC()))
		}
	}
}
