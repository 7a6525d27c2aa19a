package bridge

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What becomes of a version of a bar that is left over.
const (
	isStored = "is stored"
	isDead   = "becomes a dead letter"
	isThere  = "is in the stream already"
)

// TestLeftoverIsNotStoredBehindNewerVersions: a bridge becomes active again, with bars that it could not store the last time. Those that
// the other has stored in a newer version are kept as dead letters, and all others are stored.
func TestLeftoverIsNotStoredBehindNewerVersions(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		prior []int // versions that another had stored before this bridge became active the last time
		acked []int // versions that the stream has from the last turn, and that are not in the queue any more
		since []int // versions that the stream has behind those; below zero: of what another had read long before
		left  []int // versions in the queue
		want  []string
	}{
		{"nobody has it", nil, nil, nil, []int{1}, []string{isStored}},
		{"its ack got lost", nil, nil, []int{1}, []int{1}, []string{isThere}},
		{"corrected by the other", nil, nil, []int{2}, []int{1}, []string{isDead}},
		{"our correction of an acknowledged one", nil, []int{1}, nil, []int{2}, []string{isStored}},
		{"our correction of one whose ack got lost", nil, nil, []int{1}, []int{1, 2}, []string{isThere, isStored}},
		{"its ack got lost, and both have a correction", nil, nil, []int{1, 3}, []int{1, 2}, []string{isThere, isDead}},
		{"acknowledged, and both have a correction", nil, []int{1}, []int{3}, []int{2}, []string{isDead}},
		{"the other has the second of two versions", nil, nil, []int{2}, []int{1, 2}, []string{isDead, isThere}},
		{"our correction of what the other has stored late", nil, nil, []int{-1}, []int{2}, []string{isStored}},
		// The last one, as what is acknowledged is so for all before.
		{"our correction of the other's, and nothing was acknowledged since", []int{1}, nil, nil, []int{2}, []string{isStored}},
	}
	for _, loaded := range []bool{false, true} {
		t.Run(fmt.Sprintf("loaded before: %v", loaded), func(t *testing.T) {
			t.Parallel()
			js := connect(t, newNATS(t).up().url)
			stream, err := js.CreateStream(t.Context(), streamConfig(testConfig("")))
			if err != nil {
				t.Fatal(err)
			}
			p, q := loading(t)
			p.known.created = stream.CachedInfo().Created
			put(t, q, kindFrame, frameOf(secondBar("X", 0, 1)))
			loadAll(p)
			settle(p, "stocks.agg.X") // of the records behind this one, many can be loaded at once
			want := make(map[string]bool)
			for i, tt := range cases {
				symbol := fmt.Sprint("S", i)
				storeBars(t, js, p, symbol, tt.prior)
				p.known.acked = max(p.known.acked, storeBars(t, js, p, symbol, tt.acked))
				for v, version := range tt.left {
					bar := secondBar(symbol, 1, version)
					read := time.Now()
					if tt.prior != nil {
						read = read.Add(time.Second) // clocks are compared no better than an answer takes
					}
					if err := q.Append(kindFrame, frameOf(bar), read); err != nil {
						t.Fatal(err)
					}
					switch tt.want[v] {
					case isStored:
						want["stocks.agg."+symbol+" "+bar] = true
					case isDead:
						want["stocks.dead "+bar] = true
					}
				}
			}
			if loaded {
				loadAll(p)
			}
			for i, tt := range cases {
				storeBars(t, js, p, fmt.Sprint("S", i), tt.since)
			}

			p.begin(func() bool { return true })
			if err := p.reconcile(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			got := make(map[string]bool)
			for range len(cases) * 2 {
				loadAll(p)
				for subject, l := range p.lanes {
					if l.head != nil {
						got[subject+" "+settle(p, subject)] = true
					}
				}
			}
			if records, _, _ := q.Depth(); records > 0 {
				t.Errorf("%d records are left", records)
			}
			if !maps.Equal(got, want) {
				t.Errorf("got  %q,\nwant %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
		})
	}
}

// TestLeftoverOfTwoTurns: a turn ends before all of what is left over is loaded. What others had stored before it counts in the next one, too.
func TestLeftoverOfTwoTurns(t *testing.T) {
	t.Parallel()
	js := connect(t, newNATS(t).up().url)
	stream, err := js.CreateStream(t.Context(), streamConfig(testConfig("")))
	if err != nil {
		t.Fatal(err)
	}
	p, q := loading(t)
	p.known.created = stream.CachedInfo().Created
	late := 2 + int(loadAhead/time.Second) // is not loaded before the other one is stored
	put(t, q, kindFrame, frameOf(secondBar("X", 0, 1)))
	loadAll(p)
	settle(p, "stocks.agg.X")
	put(t, q, kindFrame, frameOf(secondBar("X", 1, 1)))
	put(t, q, kindFrame, frameOf(secondBar("Y", late, 1)))
	put(t, q, kindFrame, frameOf(secondBar("S", 1, 1)))
	storeBars(t, js, p, "S", []int{2})
	for range 3 {
		p.begin(func() bool { return true })
		if err := p.reconcile(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		loadAll(p)
	}
	settle(p, "stocks.agg.X")
	loadAll(p)
	settle(p, "stocks.agg.Y")
	loadAll(p)
	if p.dead.head == nil {
		t.Errorf("the older version is no dead letter: %q is to be stored behind the newer one", settle(p, "stocks.agg.S"))
	}
}

// storeBars stores versions of a bar, as p or another bridge does, and returns the last one's sequence.
func storeBars(t *testing.T, js jetstream.JetStream, p *publisher, symbol string, versions []int) (seq uint64) {
	t.Helper()
	for _, version := range versions {
		bar := secondBar(symbol, 1, max(version, -version))
		_, id, _ := p.place(&p.market.Split(nil, frameOf(bar))[0])
		m := &nats.Msg{Subject: "stocks.agg." + symbol, Data: []byte(bar), Header: nats.Header{jetstream.MsgIDHeader: {string(id)}}}
		if version < 0 {
			m.Header.Set(headerRead, time.Now().Add(-time.Hour).Format(time.RFC3339Nano))
		}
		ack, err := js.PublishMsg(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		seq = ack.Sequence
	}
	return seq
}

// TestGapIsNotFilledByBoth: a bridge becomes active again and has a gap that it could not record, as far as it knows. The other one has
// found it in the stream, and recorded the outcome.
func TestGapIsNotFilledByBoth(t *testing.T) {
	t.Parallel()
	js := connect(t, newNATS(t).up().url)
	stream, err := js.CreateStream(t.Context(), streamConfig(testConfig("")))
	if err != nil {
		t.Fatal(err)
	}
	p, q := loading(t)
	p.known.created = stream.CachedInfo().Created
	g := openIn(t, p, q)
	loadAll(p)
	for _, g := range []gap{g, g.closed(gapFilled, outcome{})} {
		m := &nats.Msg{Subject: gapSubject(p.market), Data: g.encode(), Header: nats.Header{jetstream.MsgIDHeader: {g.messageID()}}}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	p.begin(func() bool { return true })
	if err := p.reconcile(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if n := p.fills.pending(); n > 0 {
		t.Errorf("%d gaps are to be filled", n)
	}
}
