package bridge

import (
	"fmt"
	"testing"

	"bridge/polygon"
)

// TestRevisionsAndContinuity: a bar that is not newer than the newest of its symbol is a revision, and a new
// bar whose day's volume does not follow from the one before is counted as a break.
func TestRevisionsAndContinuity(t *testing.T) {
	q := newMemory(1 << 20)
	m := newMetrics(nil, polygon.Stocks)
	p := newPublisher(testConfig(""), q, newFillQueue(), m, quiet(t))
	p.out.maxBytes = maxMessageBytes
	for _, tt := range []struct {
		name     string
		sym      string
		s        int
		v, av    string
		revision bool
		breaks   float64
	}{
		{"the first bar says nothing", "X", 1000, "10", "100", false, 0},
		{"one that follows", "X", 3000, "5", "105", false, 0},
		{"another symbol", "Y", 3000, "5", "500", false, 0},
		{"a correction", "X", 1000, "11", "106", true, 0},
		{"an identical copy", "X", 1000, "11", "106", true, 0},
		{"volume is missing before it", "X", 4000, "5", "120", false, 1},
		{"one that follows again", "X", 5000, "5", "125", false, 1},
		{"the next day", "X", 6000, "5", "5", false, 1},
	} {
		raw := fmt.Sprintf(`{"ev":"A","sym":%q,"s":%d,"dv":"%s.0","dav":"%s.5","v":%[3]s,"av":%[4]s}`, tt.sym, tt.s, tt.v, tt.av)
		e := polygon.Stocks.Split(nil, []byte(raw))[0]
		l, _, _ := p.place(&e)
		if got := p.observe(l, &e); got != tt.revision {
			t.Errorf("%s: revision is %v, want %v", tt.name, got, tt.revision)
		}
		if got := value(t, m, "bridge_continuity_breaks_total"); got != tt.breaks {
			t.Errorf("%s: %v breaks, want %v", tt.name, got, tt.breaks)
		}
	}
}
