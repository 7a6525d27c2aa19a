package polygon

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// view returns a value of the type that the channel's events decode into.
func view(m Market, typ string) any {
	switch m.Channel(typ).Kind {
	case KindTrade:
		if m == Crypto {
			return new(CryptoTrade)
		}
		return new(Trade)
	case KindQuote:
		switch m {
		case Crypto:
			return new(CryptoQuote)
		case Forex:
			return new(ForexQuote)
		}
		return new(Quote)
	case KindLULD:
		return new(LULD)
	case KindNOI:
		return new(Imbalance)
	case KindFMV:
		return new(FairValue)
	case KindValue:
		return new(Value)
	case KindBook:
		return new(CryptoBook)
	}
	return new(Aggregate)
}

// TestGoldenFrames splits a frame of each market and decodes its events. A golden file has a line for each
// element, with what Split says, and a line with what its typed view says.
func TestGoldenFrames(t *testing.T) {
	for _, m := range markets {
		t.Run(string(m), func(t *testing.T) {
			file := filepath.Join("..", "testdata", string(m))
			frame, err := os.ReadFile(file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, e := range m.Split(nil, frame) {
				fmt.Fprintln(&got, describe(e))
				switch {
				case e.Status:
					s, err := ParseStatus(e.Raw)
					fmt.Fprintf(&got, "\t%+v %v\n", s, err)
				case e.Fault != "":
				case e.Channel.Kind.Aggregate():
					a, err := ParseAggregate(e.Raw)
					asJSON, _ := json.Marshal(a)
					fmt.Fprintf(&got, "\t%s %s %s %v\n", a.Key(), a.Start().Format(time.RFC3339), asJSON, err)
				default:
					v := view(m, string(e.Type))
					err := json.Unmarshal(e.Raw, v)
					fmt.Fprintf(&got, "\t%s %T%+v %v\n", Instant(e.Time).Format(time.RFC3339Nano), v, v, err)
				}
			}
			if *update {
				if err := os.WriteFile(file+".golden", []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file + ".golden")
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
		})
	}
}

func TestParseAggregate(t *testing.T) {
	a, err := ParseAggregate([]byte(`{"ev":"A","sym":"AAPL","v":5.6e3,"z":12.5,"s":1754055000000.0,"e":1754055001000,"vw":1.5,"dv":"0.007300"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Key(), "A.AAPL.1754055000000"; got != want {
		t.Errorf("got the key %q, want %q", got, want)
	}
	if got, want := a.Start(), time.Date(2025, 8, 1, 13, 30, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got the start %v, want %v", got, want)
	}
	if a.Volume != 5600 || a.AverageSize != 12.5 || a.ExactVolume != "0.007300" || a.DayOpen != nil {
		t.Errorf("got %+v", a)
	}
	for _, raw := range []string{``, `[]`, `{}`, `{"ev":"A","sym":"X"}`, `{"ev":"A","s":1}`, `{"sym":"X","s":1}`,
		`{"ev":"A","sym":"X","s":1.5}`, `{"ev":"A","sym":"X","s":"1"}`, `{"ev":"A","sym":"X","s":1,"dv":{}}`} {
		if a, err := ParseAggregate([]byte(raw)); err == nil {
			t.Errorf("%s: got %+v, want an error", raw, a)
		}
	}
}

func TestInstantTellsTheUnit(t *testing.T) {
	want := time.Date(2025, 8, 1, 13, 30, 0, 0, time.UTC)
	for _, timestamp := range []int64{1754055000000, 1754055000000000, 1754055000000000000} {
		if got := Instant(timestamp); !got.Equal(want) {
			t.Errorf("%d: got %v, want %v", timestamp, got, want)
		}
	}
	if !Instant(0).IsZero() {
		t.Error("an absent timestamp has a time")
	}
}
