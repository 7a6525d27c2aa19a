package polygon

import "time"

// Kind is what a channel's events are, whatever the market calls them.
type Kind string

const (
	KindAgg   Kind = "agg"   // second aggregates: A, CAS, XAS
	KindAgg1m Kind = "agg1m" // minute aggregates: AM, CA, XA
	KindTrade Kind = "trade"
	KindQuote Kind = "quote"
	KindLULD  Kind = "luld"  // limit up, limit down bands
	KindNOI   Kind = "noi"   // net order imbalances
	KindFMV   Kind = "fmv"   // fair market values
	KindValue Kind = "value" // index values, and the launchpad's last values
	KindBook  Kind = "book"  // level 2 order books
)

// Aggregate reports whether events of the kind are bars, whose identity is (ev, symbol, s).
func (k Kind) Aggregate() bool { return k == KindAgg || k == KindAgg1m }

// Window is how much time a bar of the kind covers, 0 for other events.
func (k Kind) Window() time.Duration {
	switch k {
	case KindAgg:
		return time.Second
	case KindAgg1m:
		return time.Minute
	}
	return 0
}

// Channel describes one channel of one market.
type Channel struct {
	Type        string // value of "ev", and the prefix of a subscribe parameter
	Name        string // in words: "second aggregates"
	Kind        Kind
	SymbolField string        // sym, pair, T or p: the same letter is a price elsewhere, so only ev can tell
	TimeField   string        // s (window start) for aggregates, t otherwise
	TimeUnit    time.Duration // unit of TimeField as documented; see Instant for what really arrives
	Identity    []string      // the fields that, beside symbol and time, tell one event from another
}

// channels is every channel of every market, from the vendor's specification of its WebSocket, and for
// futures from its documentation. The business and launchpad hosts add FMV, LV and AM to a market's own.
//
// The names mislead in two places: CA and XA are minute bars, CAS and XAS second bars; and the
// fair values, last values and launchpad bars of pairs are named by "sym", everything else of theirs by "pair" or "p".
var channels = map[Market][]*Channel{
	Stocks: {
		aggregate("A", "second aggregates", KindAgg, "sym"),
		aggregate("AM", "minute aggregates", KindAgg1m, "sym"),
		point("T", "trades", KindTrade, "sym", time.Millisecond, "x", "trfi", "i"),
		point("Q", "quotes", KindQuote, "sym", time.Millisecond, "q", "z"),
		point("LULD", "limit up, limit down bands", KindLULD, "T", time.Nanosecond, "q"),
		point("NOI", "net order imbalances", KindNOI, "T", time.Nanosecond, "x", "i"),
		fairValue(),
		lastValue(),
	},
	Options: {
		aggregate("A", "second aggregates", KindAgg, "sym"),
		aggregate("AM", "minute aggregates", KindAgg1m, "sym"),
		point("T", "trades", KindTrade, "sym", time.Millisecond, "q"),
		point("Q", "quotes", KindQuote, "sym", time.Millisecond, "q"),
		fairValue(),
		lastValue(),
	},
	Forex: {
		aggregate("CAS", "second aggregates", KindAgg, "pair"),
		aggregate("CA", "minute aggregates", KindAgg1m, "pair"),
		point("C", "quotes", KindQuote, "p", time.Millisecond, "x", "a", "b"),
		aggregate("AM", "minute aggregates of the launchpad", KindAgg1m, "sym"),
		fairValue(),
		lastValue(),
	},
	Crypto: {
		aggregate("XAS", "second aggregates", KindAgg, "pair"),
		aggregate("XA", "minute aggregates", KindAgg1m, "pair"),
		point("XT", "trades", KindTrade, "pair", time.Millisecond, "x", "i"),
		point("XQ", "quotes", KindQuote, "pair", time.Millisecond, "x"),
		point("XL2", "level 2 order books", KindBook, "pair", time.Millisecond, "x"),
		aggregate("AM", "minute aggregates of the launchpad", KindAgg1m, "sym"),
		fairValue(),
		lastValue(),
	},
	Indices: {
		aggregate("A", "second aggregates", KindAgg, "sym"),
		aggregate("AM", "minute aggregates", KindAgg1m, "sym"),
		point("V", "index values", KindValue, "T", time.Millisecond, "val"),
	},
	Futures: {
		aggregate("A", "second aggregates", KindAgg, "sym"),
		aggregate("AM", "minute aggregates", KindAgg1m, "sym"),
		point("T", "trades", KindTrade, "sym", time.Millisecond, "q"),
		point("Q", "quotes", KindQuote, "sym", time.Millisecond),
	},
}

func aggregate(typ, name string, kind Kind, symbolField string) *Channel {
	return &Channel{Type: typ, Name: name, Kind: kind, SymbolField: symbolField, TimeField: "s", TimeUnit: time.Millisecond}
}

func point(typ, name string, kind Kind, symbolField string, unit time.Duration, identity ...string) *Channel {
	return &Channel{Type: typ, Name: name, Kind: kind, SymbolField: symbolField, TimeField: "t", TimeUnit: unit, Identity: identity}
}

func fairValue() *Channel {
	return point("FMV", "fair market values", KindFMV, "sym", time.Nanosecond)
}

func lastValue() *Channel {
	return point("LV", "last values of the launchpad", KindValue, "sym", time.Millisecond, "val")
}
