package bridge

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestWhatIsNotStoredIsNotFarBehind: in whatever order a server stores, no bar is stored that is much newer than one that is not, so
// that a gap from the newest bar on reaches back to all that a lost queue had.
func TestWhatIsNotStoredIsNotFarBehind(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p, q := loading(t)
		missing := make(map[string]int) // seconds of bars that are not stored, by their bytes
		second := 0
		for range 100 {
			second += []int{0, 1, 1, 1, 300}[rng.IntN(5)]
			var events []string
			for range 1 + rng.IntN(5) {
				bar := secondBar(fmt.Sprint("S", rng.IntN(4)), second, rng.Int())
				events = append(events, bar)
				missing[bar] = second
			}
			put(t, q, kindFrame, frameOf(events...))
		}
		newest := 0
		for len(missing) > 0 {
			loadAll(p)
			var heads []string
			for subject, l := range p.lanes {
				if l.head != nil {
					heads = append(heads, subject)
				}
			}
			if len(heads) == 0 {
				t.Fatalf("seed %d: %d bars are not stored, and nothing is loaded", seed, len(missing))
			}
			slices.Sort(heads)
			bar := settle(p, heads[rng.IntN(len(heads))])
			newest = max(newest, missing[bar])
			delete(missing, bar)
			for bar, second := range missing {
				if newest-second > int(loadAhead.Seconds()) {
					t.Fatalf("seed %d: a bar of second %d is stored, and not %s", seed, newest, bar)
				}
			}
		}
	}
}

// TestGapIsStoredBeforeWhatFollows: a newer bar would hide the gap from the next process, if this one died before the gap is
// recorded.
func TestGapIsStoredBeforeWhatFollows(t *testing.T) {
	p, q := loading(t)
	openIn(t, p, q)
	put(t, q, kindFrame, frameOf(secondBar("X", 11, 1)))
	loadAll(p)
	if l := p.lanes["stocks.agg.X"]; l != nil {
		t.Fatal("a bar from behind the gap is loaded before the gap is recorded")
	}
	settle(p, "stocks.gap")
	loadAll(p)
	settle(p, "stocks.agg.X")
}

// TestGapOfAProcessThatWasStopped: what had waited in the connection for ten minutes is read now, and the feed is gone. The gap
// begins ten minutes ago.
func TestGapOfAProcessThatWasStopped(t *testing.T) {
	p, q := loading(t)
	read := time.Now()
	stopped := read.Add(-10 * time.Minute).Truncate(time.Second)
	bar := fmt.Sprintf(`{"ev":"A","sym":"X","s":%d}`, stopped.Add(-time.Second).UnixMilli())
	later := fmt.Sprintf(`{"ev":"A","sym":"X","s":%d}`, read.Add(time.Hour).UnixMilli()) // wrong
	if err := q.Append(kindFrame, frameOf(bar, later), read); err != nil {
		t.Fatal(err)
	}
	if err := q.Append(kindGap, newGap(p.cfg, "disconnected", read, read.Add(time.Second)).encode(), read.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		loadAll(p)
		settle(p, "stocks.agg.X")
	}
	loadAll(p)
	g, err := parseGap([]byte(settle(p, "stocks.gap")))
	if err != nil || !g.From.Equal(stopped) {
		t.Errorf("gap %+v, %v, want one from %v", g, err, stopped)
	}
}

// TestOneSubjectIsRefused: an operator has the stream refuse one subject. The others are stored until they are far ahead of it, the log
// says which setting has to be mended, and then nothing is missing.
func TestOneSubjectIsRefused(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	js := connect(t, s.url)
	cfg := testConfig(s.url)
	d := startDelivery(t, cfg)
	send := func(symbol string, second int) {
		put(t, d.q, kindFrame, frameOf(secondBar(symbol, second, 1)))
	}
	send("STUCK", 0)
	d.settled(0)
	set := func(edit func(*jetstream.StreamConfig)) {
		t.Helper()
		stream, err := js.Stream(t.Context(), cfg.Stream)
		if err != nil {
			t.Fatal(err)
		}
		limited := stream.CachedInfo().Config
		edit(&limited)
		if _, err := js.UpdateStream(t.Context(), limited); err != nil {
			t.Fatal(err)
		}
	}
	set(func(c *jetstream.StreamConfig) {
		c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = jetstream.DiscardNew, true, 1
	})
	send("STUCK", 1)
	const symbols = 60
	for i := range symbols {
		send(fmt.Sprint("S", i), i)
	}
	stored(t, s.url, 1+int(loadAhead.Seconds()))
	eventually(t, "the log says what to mend", func() error {
		if !strings.Contains(d.log.String(), "nats stream edit STOCKS --max-msgs-per-subject=-1") {
			return errors.New("not yet")
		}
		return nil
	})
	set(func(c *jetstream.StreamConfig) {
		c.Discard, c.DiscardNewPerSubject, c.MaxMsgsPerSubject = jetstream.DiscardOld, false, -1
	})
	d.finish()
	if all := readStream(t, s.url, "STOCKS"); len(all) != 2+symbols {
		t.Errorf("%d bars are stored, want %d", len(all), 2+symbols)
	}
}
