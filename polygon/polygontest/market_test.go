package polygontest

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
)

// aggregate is what tests look at in a bar.
type aggregate struct {
	Ev, Sym    string
	V, AV      int64
	DV, DAV    string
	Op         *float64
	O, H, L, C float64
	VW, A      float64
	Z          json.Number
	S, E       int64
	OTC        bool
	X9         any
	raw        string
}

func parse(t *testing.T, raw []byte) aggregate {
	t.Helper()
	a := aggregate{raw: string(raw)}
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("event %s: %v", raw, err)
	}
	return a
}

// take makes the first n events of a market.
func take(m Market, n int) [][]byte {
	var events [][]byte
	for raw := range m.Events() {
		if len(events) == n {
			break
		}
		events = append(events, bytes.Clone(raw))
	}
	return events
}

func TestSymbolsAreDistinctTickersOfEveryShape(t *testing.T) {
	symbols := Symbols(MaxSymbols)
	seen := map[string]bool{}
	for _, symbol := range symbols {
		if seen[symbol] {
			t.Errorf("%s is there twice", symbol)
		}
		seen[symbol] = true
		if strings.Trim(symbol, "ABCDEFGHIJKLMNOPQRSTUVWXYZpwr.") != "" || len(symbol) > 12 {
			t.Errorf("%q is no ticker", symbol)
		}
	}
	if len(symbols) != MaxSymbols {
		t.Errorf("got %d symbols, want %d", len(symbols), MaxSymbols)
	}
	for _, want := range []string{"AAPL", "BRK.B", "BCpC", "AMpB", "AMPB"} {
		if !seen[want] {
			t.Errorf("%s is missing", want)
		}
	}
	if !slices.Equal(Symbols(100), symbols[:100]) {
		t.Error("fewer symbols are not the first of more")
	}
}

func TestSeedDecidesEveryByte(t *testing.T) {
	m := Market{Symbols: Symbols(300), Seed: 7, Minutes: true, Oddities: Typical()}
	m.Oddities.Foreign = 0.01
	first := bytes.Join(take(m, 25_000), nil)
	if !bytes.Equal(first, bytes.Join(take(m, 25_000), nil)) {
		t.Error("the same market differs the second time")
	}
	m.Seed++
	if bytes.Equal(first, bytes.Join(take(m, 25_000), nil)) {
		t.Error("another seed makes the same market")
	}
}

func TestPlainMarket(t *testing.T) {
	m := Market{Symbols: Symbols(40), Seed: 1}
	type day struct {
		av, s int64
		bars  int
	}
	days := map[string]day{}
	perSecond := map[int64]int{}
	var orders []string // of symbols, by second
	for _, raw := range take(m, 36*200) {
		a := parse(t, raw)
		d, traded := days[a.Sym]
		if a.Ev != "A" || a.S%1000 != 0 || a.E != a.S+1000 || a.S <= d.s {
			t.Fatalf("%s: window out of order or no second", raw)
		}
		if a.V < 1 || a.L <= 0 || a.L > min(a.O, a.C) || a.H < max(a.O, a.C) {
			t.Fatalf("%s: impossible bar", raw)
		}
		if traded && a.AV-a.V != d.av {
			t.Fatalf("%s: av-v is not %d, the last av", raw, d.av)
		}
		if a.Op == nil || a.OTC || a.X9 != nil || a.DV != json.Number(jsonInt(a.V)).String()+".0" {
			t.Fatalf("%s: an oddity in a plain market", raw)
		}
		days[a.Sym] = day{a.AV, a.S, d.bars + 1}
		if perSecond[a.S] == 0 {
			orders = append(orders, "")
		}
		perSecond[a.S]++
		orders[len(orders)-1] += a.Sym + " "
	}
	if len(days) != 40 || len(perSecond) != 200 {
		t.Errorf("got %d symbols in %d seconds, want 40 in 200", len(days), len(perSecond))
	}
	for i := range 200 {
		if s := firstWindow.Add(time.Duration(i) * time.Second).UnixMilli(); perSecond[s] != 36 {
			t.Errorf("second %d has %d bars, want 36", i, perSecond[s])
		}
	}
	for symbol, d := range days {
		if d.bars == 200 {
			t.Errorf("%s has no holes", symbol)
		}
	}
	if slices.Sort(orders); len(slices.Compact(orders)) < 190 {
		t.Error("symbols come in the same order")
	}
}

func jsonInt(n int64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestBarsComeAgain(t *testing.T) {
	m := Market{Symbols: Symbols(50), Seed: 3, PerSecond: 50, Oddities: Oddities{Corrected: 0.05, Repeated: 0.05}}
	type key struct {
		sym string
		s   int64
	}
	first := map[key]aggregate{}
	var newest int64
	corrected, repeated := 0, 0
	for _, raw := range take(m, 40_000) {
		a := parse(t, raw)
		newest = max(newest, a.S)
		before, again := first[key{a.Sym, a.S}]
		if !again {
			first[key{a.Sym, a.S}] = a
			continue
		}
		if late := (newest - a.S) / 1000; late < 1 || late > 900 {
			t.Fatalf("%s: came again after %d s", raw, late)
		}
		if a.raw == before.raw {
			repeated++
			continue
		}
		corrected++
		if a.V <= before.V || a.AV-before.AV != a.V-before.V || a.O != before.O || a.H != before.H {
			t.Fatalf("%s does not correct %s", raw, before.raw)
		}
	}
	if corrected < 1000 || repeated < 1000 {
		t.Errorf("got %d corrected and %d repeated of 40,000, want about 1600", corrected, repeated)
	}
}

func TestOddities(t *testing.T) {
	const n = 5_000
	for _, tt := range []struct {
		name     string
		oddities Oddities
		odd      func(a aggregate) bool
	}{
		{"fractional", Oddities{Fractional: 0.5}, func(a aggregate) bool { return !strings.HasSuffix(a.DV, ".0") && a.V > 0 }},
		{"sub-share", Oddities{SubShare: 0.5}, func(a aggregate) bool { return a.V == 0 && a.DV == "0.007300" }},
		{"size with a point", Oddities{OddSize: 0.5}, func(a aggregate) bool { return strings.Contains(a.Z.String(), ".") }},
		{"otc", Oddities{OTC: 0.5}, func(a aggregate) bool { return a.OTC }},
		{"extra field", Oddities{Extra: 0.5}, func(a aggregate) bool { return a.X9 != nil }},
		{"field order", Oddities{Reordered: 0.5}, func(a aggregate) bool { return !strings.HasPrefix(a.raw, `{"ev"`) }},
		{"foreign", Oddities{Foreign: 0.5}, func(a aggregate) bool { return polygon.Stocks.Channel(a.Ev) == nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			count := func(o Oddities) int {
				odd := 0
				for _, raw := range take(Market{Symbols: Symbols(500), Oddities: o}, n) {
					if tt.odd(parse(t, raw)) {
						odd++
					}
				}
				return odd
			}
			if got := count(Oddities{}); got != 0 {
				t.Errorf("%d of %d are odd in a plain market", got, n)
			}
			if got := float64(count(tt.oddities)) / n; math.Abs(got-0.5) > 0.2 { // foreign events come on top
				t.Errorf("a share of %.2f is odd, want about 0.5", got)
			}
		})
	}
}

func TestAverageSizeTakesBothForms(t *testing.T) {
	whole, half := 0, 0
	for _, raw := range take(Market{Symbols: Symbols(9), Oddities: Oddities{OddSize: 1}}, 100) {
		switch z := parse(t, raw).Z.String(); {
		case strings.HasSuffix(z, ".0"):
			whole++
		case strings.HasSuffix(z, ".5"):
			half++
		default:
			t.Errorf("got z %s", z)
		}
	}
	if whole == 0 || half == 0 {
		t.Errorf("got %d whole and %d half sizes, want both", whole, half)
	}
}

func TestFractionsAddUpExactly(t *testing.T) {
	sum := map[string]float64{}
	for _, raw := range take(Market{Symbols: Symbols(5), Oddities: Oddities{Fractional: 0.5, SubShare: 0.1}}, 2000) {
		a := parse(t, raw)
		var dv, dav float64
		if json.Unmarshal([]byte(a.DV), &dv) != nil || json.Unmarshal([]byte(a.DAV), &dav) != nil {
			t.Fatalf("%s: no decimals", raw)
		}
		sum[a.Sym] += dv
		if math.Abs(sum[a.Sym]-dav) > 1e-4 || a.V != int64(dv) || a.AV != int64(dav) {
			t.Fatalf("%s: dav is not %f, or v and av are not cut", raw, sum[a.Sym])
		}
	}
}

func TestNoOfficialOpenBeforeTheOpen(t *testing.T) {
	open := firstWindow.Add(5 * time.Second)
	with, without := 0, 0
	for _, raw := range take(Market{Symbols: Symbols(10), Open: open}, 100) {
		a := parse(t, raw)
		if before := a.S < open.UnixMilli(); before != (a.Op == nil) {
			t.Errorf("%s: op at the wrong time", raw)
		}
		if a.Op == nil {
			without++
		} else {
			with++
		}
	}
	if with == 0 || without == 0 {
		t.Errorf("got %d bars with op and %d without, want both", with, without)
	}
}

func TestMinuteBarsSumUpTheirSeconds(t *testing.T) {
	type sum struct {
		o, h, l, c float64
		v, av      int64
	}
	sums := map[string]sum{}
	minutes := 0
	for _, raw := range take(Market{Symbols: Symbols(20), Minutes: true}, 10_000) {
		a := parse(t, raw)
		m := sums[a.Sym]
		if a.Ev == "A" {
			if m.v == 0 {
				m = sum{o: a.O, h: a.H, l: a.L}
			}
			sums[a.Sym] = sum{m.o, max(m.h, a.H), min(m.l, a.L), a.C, m.v + a.V, a.AV}
			continue
		}
		minutes++
		if got := (sum{a.O, a.H, a.L, a.C, a.V, a.AV}); got != m || a.S%60_000 != 0 || a.E != a.S+60_000 {
			t.Fatalf("%s: want the sum %+v", raw, m)
		}
		delete(sums, a.Sym)
	}
	if minutes < 100 {
		t.Errorf("got %d minute bars, want some 180", minutes)
	}
}

func BenchmarkMarket(b *testing.B) {
	for _, bb := range []struct {
		name     string
		oddities Oddities
	}{{"plain", Oddities{}}, {"typical", Typical()}} {
		b.Run(bb.name, func(b *testing.B) {
			g := newGenerator(Market{Symbols: Symbols(10_000), PerSecond: 10_000, Oddities: bb.oddities})
			buf := make([]byte, 0, maxEvent)
			b.ReportAllocs()
			for b.Loop() {
				e, ok := g.next()
				for ; !ok; e, ok = g.next() {
					g.advance()
				}
				buf = g.append(buf[:0], e)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func TestDecimals(t *testing.T) {
	for _, tt := range []struct {
		m    int64
		want string
	}{
		{10_000, "1"}, {2_135_000, "213.5"}, {2_135_500, "213.55"}, {2_130_500, "213.05"}, {9_999, "0.9999"},
		{10_001, "1.0001"}, {10_010, "1.001"}, {10_090, "1.009"}, {11_010, "1.101"}, {10_100, "1.01"},
	} {
		if got := string(appendMoney(nil, tt.m)); got != tt.want {
			t.Errorf("money %d: got %s, want %s", tt.m, got, tt.want)
		}
	}
	for _, tt := range []struct {
		p    int64
		want string
	}{{80_000_000, "80.0"}, {7_300, "0.007300"}, {1_000_001, "1.000001"}, {0, "0.0"}} {
		if got := string(appendShares(nil, tt.p)); got != tt.want {
			t.Errorf("shares %d: got %s, want %s", tt.p, got, tt.want)
		}
	}
}
