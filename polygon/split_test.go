package polygon

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const bar = `{"ev":"A","sym":"AAPL","v":200,"s":1754055000000,"e":1754055001000}`

// splitTests are frames and what the stocks market makes of them: "type symbol time" of an event, "status",
// or the fault with the bytes it covers.
var splitTests = []struct {
	name  string
	frame string
	want  []string
}{
	{"empty array", `[]`, nil},
	{"empty array with space", " [ \n] ", nil},
	{"one bar", `[` + bar + `]`, []string{"A AAPL 1754055000000"}},
	{"two bars and space", "[ " + bar + " ,\n" + bar + " ] ", []string{"A AAPL 1754055000000", "A AAPL 1754055000000"}},
	{"a lone object", bar, []string{"A AAPL 1754055000000"}},
	{"any order of fields", `[{"s":7000,"sym":"BRK.B","x":{"ev":"T","sym":["no"]},"ev":"A"}]`, []string{"A BRK.B 7000"}},
	{"p is a price", `[{"ev":"T","sym":"BCpC","p":41.5,"s":100,"t":1754055000123}]`, []string{"T BCpC 1754055000123"}},
	{"symbol under T", `[{"T":"MSFT","ev":"LULD","t":1754055000123456789,"h":1}]`, []string{"LULD MSFT 1754055000123456789"}},
	{"T need not be unique on a trade", `[{"ev":"T","sym":"A","T":1,"T":2,"t":5}]`, []string{"T A 5"}},
	{"escaped symbol, key and type", `[{"\u0065v":"\u0041","sym":"\u0041\/\u00e9\ud83d\ude00","s":1}]`, []string{"A A/é😀 1"}},
	{"symbol that is no ASCII", `[{"ev":"A","sym":"日本","s":1}]`, []string{"A 日本 1"}},
	{"keys are case-sensitive", `[{"ev":"A","Sym":"X","sym":"Y","S":2,"s":1,"EV":"T"}]`, []string{"A Y 1"}},

	{"status", `[{"ev":"status","status":"connected","message":"Connected Successfully"}]`, []string{"status"}},
	{"status with an empty ev", `[{"ev":"","status":"disconnected"}]`, []string{"status"}},
	{"status without ev", `[{"status":"disconnected"}]`, []string{"status"}},
	{"status among data", `[` + bar + `,{"ev":"status","status":"success"},` + bar + `]`,
		[]string{"A AAPL 1754055000000", "status", "A AAPL 1754055000000"}},

	{"time as 1.0", `[{"ev":"A","sym":"X","s":1754055000000.0}]`, []string{"A X 1754055000000"}},
	{"time with an exponent", `[{"ev":"A","sym":"X","s":1.754055e12}]`, []string{"A X 1754055000000"}},
	{"time with a fraction", `[{"ev":"A","sym":"X","s":1754055000000.5}]`, []string{`no_time {"ev":"A","sym":"X","s":1754055000000.5}`}},
	{"time as a string", `[{"ev":"A","sym":"X","s":"1754055000000"}]`, []string{`no_time {"ev":"A","sym":"X","s":"1754055000000"}`}},
	{"time null", `[{"ev":"AM","sym":"X","s":null}]`, []string{`no_time {"ev":"AM","sym":"X","s":null}`}},
	{"no time", `[{"ev":"A","sym":"X"}]`, []string{`no_time {"ev":"A","sym":"X"}`}},
	{"no time on a trade", `[{"ev":"T","sym":"X","t":"soon"}]`, []string{"T X 0"}},

	{"no type", `[{"sym":"X","s":1},` + bar + `]`, []string{`no_type {"sym":"X","s":1}`, "A AAPL 1754055000000"}},
	{"type is a number", `[{"ev":1,"sym":"X","s":1}]`, []string{`no_type {"ev":1,"sym":"X","s":1}`}},
	{"empty object", `[{},{ }]`, []string{`no_type {}`, `no_type { }`}},
	{"unknown type", `[{"ev":"ZZ","sym":"X"}]`, []string{`unknown_type {"ev":"ZZ","sym":"X"}`}},
	{"type of another market", `[{"ev":"XA","pair":"BTC-USD","s":1}]`, []string{`unknown_type {"ev":"XA","pair":"BTC-USD","s":1}`}},
	{"no symbol", `[{"ev":"A","pair":"X","s":1}]`, []string{`no_symbol {"ev":"A","pair":"X","s":1}`}},
	{"empty symbol", `[{"ev":"A","sym":"","s":1}]`, []string{`no_symbol {"ev":"A","sym":"","s":1}`}},
	{"symbol is an object", `[{"ev":"A","sym":{},"s":1}]`, []string{`no_symbol {"ev":"A","sym":{},"s":1}`}},
	{"ev twice", `[{"ev":"A","sym":"X","s":1,"ev":"A"}]`, []string{`duplicate_key {"ev":"A","sym":"X","s":1,"ev":"A"}`}},
	{"symbol twice", `[{"ev":"A","sym":"X","s":1,"s\u0079m":"Y"}]`, []string{`duplicate_key {"ev":"A","sym":"X","s":1,"s\u0079m":"Y"}`}},
	{"time twice", `[{"ev":"A","sym":"X","s":1,"s":2}]`, []string{`duplicate_key {"ev":"A","sym":"X","s":1,"s":2}`}},
	{"other field twice", `[{"ev":"A","sym":"X","s":1,"v":1,"v":2}]`, []string{"A X 1"}},
	{"not objects", `[1,"a",null,[2,{"ev":"A"}],` + bar + `]`,
		[]string{"not_object 1", `not_object "a"`, "not_object null", `not_object [2,{"ev":"A"}]`, "A AAPL 1754055000000"}},

	{"bad number", `[{"ev":"A","sym":"X","s":01},` + bar + `]`, []string{`malformed {"ev":"A","sym":"X","s":01}`, "A AAPL 1754055000000"}},
	{"bad literal", `[{"ev":"A","sym":"X","s":1,"otc":True},` + bar + `]`,
		[]string{`malformed {"ev":"A","sym":"X","s":1,"otc":True}`, "A AAPL 1754055000000"}},
	{"bad escape", `[{"ev":"\x41"},` + bar + `]`, []string{`malformed {"ev":"\x41"}`, "A AAPL 1754055000000"}},
	{"control character", "[{\"ev\":\"A\r\n\"}," + bar + "]", []string{"malformed {\"ev\":\"A\r\n\"}", "A AAPL 1754055000000"}},
	{"bracket in a damaged string", `[{"a":"}],[{\"",:},` + bar + `]`, []string{`malformed {"a":"}],[{\"",:}`, "A AAPL 1754055000000"}},
	{"wrong bracket", `[{"a":[1},` + bar + `]`, []string{`malformed {"a":[1},` + bar + `]`}},
	{"object closed by a bracket", `[{"a":1],` + bar + `]`, []string{`malformed {"a":1]`, "A AAPL 1754055000000"}},
	{"a word", `[NaN , ` + bar + `]`, []string{`malformed NaN`, "A AAPL 1754055000000"}},
	{"a comma too many", `[` + bar + `,,` + bar + `,]`, []string{"A AAPL 1754055000000", "malformed ", "A AAPL 1754055000000", "malformed "}},
	{"a comma too few", `[` + bar + bar + `]`, []string{"A AAPL 1754055000000", "A AAPL 1754055000000"}},
	{"bytes between", `[` + bar + `} x ,` + bar + `]`, []string{"A AAPL 1754055000000", "malformed } x", "A AAPL 1754055000000"}},
	{"bytes at the end", `[` + bar + `] [1]`, []string{"A AAPL 1754055000000", "malformed [1]"}},
	{"bytes behind a lone object", bar + `,`, []string{"A AAPL 1754055000000", "malformed ,"}},
	{"cut in an element", `[` + bar + `,{"ev":"A","sym":"X`, []string{"A AAPL 1754055000000", `malformed {"ev":"A","sym":"X`}},
	{"cut between elements", `[` + bar, []string{"A AAPL 1754055000000", "malformed "}},
	{"cut after a comma", `[` + bar + `,`, []string{"A AAPL 1754055000000", "malformed "}},
	{"cut at the start", `[`, []string{"malformed "}},
	{"cut in an escape", `[{"a":"\`, []string{`malformed {"a":"\`}},
	{"cut lone object", `{"ev":"A"`, []string{`malformed {"ev":"A"`}},
	{"nothing", ``, []string{"malformed "}},
	{"no array", `null`, []string{"not_object null"}},
	{"no JSON", `<html>`, []string{"malformed <html>"}},
	{"binary", "\x00\xff", []string{"malformed \x00\xff"}},
	{"as deep as allowed", `[{"ev":"A","sym":"X","s":1,"d":` + deep(maxDepth-1) + `}]`, []string{"A X 1"}},
	{"too deep", `[{"d":` + deep(maxDepth) + `},` + bar + `]`, []string{`malformed {"d":` + deep(maxDepth) + `}`, "A AAPL 1754055000000"}},
}

func deep(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// describe writes an element as the tables and golden files have it.
func describe(e Event) string {
	switch {
	case e.Status:
		return "status"
	case e.Fault != "":
		return fmt.Sprintf("%s %s", e.Fault, e.Raw)
	}
	return fmt.Sprintf("%s %s %d", e.Type, e.Symbol, e.Time)
}

func TestSplit(t *testing.T) {
	for _, tt := range splitTests {
		t.Run(tt.name, func(t *testing.T) {
			frame := []byte(tt.frame)
			events := Stocks.Split(nil, frame)
			var got []string
			for _, e := range events {
				got = append(got, describe(e))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			checkTotal(t, frame, events)
			checkAgainstEncodingJSON(t, Stocks, frame, events)
		})
	}
}

func TestSplitAppends(t *testing.T) {
	events := Stocks.Split(Stocks.Split(nil, []byte(`[1]`)), []byte(bar))
	if len(events) != 2 || events[1].Fault != "" {
		t.Errorf("got %v, want a fault and a bar", events)
	}
}

func TestSplitDoesNotAllocate(t *testing.T) {
	frame := barFrame(100)
	events := make([]Event, 0, 100)
	allocs := testing.AllocsPerRun(10, func() {
		events = Stocks.Split(events[:0], frame)
		for _, e := range events {
			if e.Field("av") == nil || Stocks.Channel(string(e.Type)) == nil {
				t.Fatal("a bar without av")
			}
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations for a frame, want 0", allocs)
	}
}

func TestField(t *testing.T) {
	e := Event{Raw: []byte(`{ "ev" : "A","v":2e2 , "no":{"av":1},"\u0061v":"x","v":3, "l": [1, 2] }`)}
	for name, want := range map[string]string{"ev": `"A"`, "v": "2e2", "av": `"x"`, "l": "[1, 2]", "x": "", "": ""} {
		if got := string(e.Field(name)); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, raw := range []string{``, `{`, `{}`, `[]`, `7`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a`, `{"b":1 "a":2}`} {
		if got := (Event{Raw: []byte(raw)}).Field("x"); got != nil {
			t.Errorf("%q: got %q, want nothing", raw, got)
		}
	}
}

func TestParseInteger(t *testing.T) {
	for _, tt := range []struct {
		number string
		want   int64
		ok     bool
	}{
		{"0", 0, true}, {"-0", 0, true}, {"-12", -12, true}, {"0.0", 0, true}, {"0e99", 0, true},
		{"9223372036854775799", 9223372036854775799, true},
		{"9223372036854775807.0", 9223372036854775807, true},
		{"922337203685477580.7e1", 9223372036854775807, true},
		{"9223372036854775808", 0, false}, {"9223372036854775808.0", 0, false}, {"99999999999999999999", 0, false},
		{"1754055000000.000", 1754055000000, true}, {"1.754055E+12", 1754055000000, true},
		{"17540550000000000e-4", 1754055000000, true}, {"0.00012e5", 12, true}, {"1e18", 1e18, true},
		{"1e19", 0, false}, {"1e999999999999999999999", 0, false}, {"1e-999999999999999999999", 0, false},
		{"0e999999999999999999999", 0, true}, {"1.5", 0, false}, {"12e-1", 0, false}, {"-1.5e1", -15, true},
		{"100e-2", 1, true}, {`"1"`, 0, false}, {"true", 0, false}, {"-", 0, false}, {"", 0, false},
	} {
		if got, ok := parseInteger([]byte(tt.number)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %d %v, want %d %v", tt.number, got, ok, tt.want, tt.ok)
		}
	}
}

func TestSplitKnowsTheFieldsOfEveryChannel(t *testing.T) {
	for _, m := range markets {
		for _, c := range m.Channels() {
			frame := fmt.Appendf(nil, `[{"%s":7,"%s":"X","ev":"%s"}]`, c.TimeField, c.SymbolField, c.Type)
			events := m.Split(nil, frame)
			if got, want := describe(events[0]), c.Type+" X 7"; got != want || events[0].Channel != c {
				t.Errorf("%s: got %q, want %q", m, got, want)
			}
		}
	}
}
