package polygon

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Snapshot is what traded when, for every ticker of the stock market. It is cleared in the night, before the first
// trades of the day.
type Snapshot struct {
	Tickers []TickerState
	Delayed bool // the plan's data is delayed, so the newest trades are not in it
}

// TickerState is a ticker's day so far. What the vendor leaves out, or writes in a form that is not known, is zero.
type TickerState struct {
	Ticker          string
	Updated         time.Time // of anything about the ticker, a quote as well as a trade
	DayVolume       float64   // of the regular session
	MinuteStart     time.Time // of the last minute with a trade
	MinuteDayVolume float64   // since the day began, at the end of that minute
}

// Snapshot asks for the state of all stocks, OTC ones included, in one request. Many plans do not have it (ErrPlan).
func (r *REST) Snapshot(ctx context.Context) (Snapshot, error) {
	u, err := r.url("/v2/snapshot/locale/us/markets/stocks/tickers", "include_otc=true")
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	a, err := r.get(ctx, u)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	s := Snapshot{Delayed: a.delayed()}
	for raw := range elements(a.tickers) {
		if t := tickerState(raw); t.Ticker != "" {
			s.Tickers = append(s.Tickers, t)
		}
	}
	return s, nil
}

// tickerState reads an element of a snapshot.
func tickerState(raw []byte) TickerState {
	ticker := Event{Raw: raw}
	minute := Event{Raw: ticker.Field("min")}
	return TickerState{
		Ticker:          textOf(ticker.Field("ticker")),
		Updated:         instantOf(ticker.Field("updated")),
		DayVolume:       floatOf(Event{Raw: ticker.Field("day")}.Field("v")),
		MinuteStart:     instantOf(minute.Field("t")),
		MinuteDayVolume: floatOf(minute.Field("av")),
	}
}

// instantOf returns the time that a JSON number means, the zero Time for anything else.
func instantOf(value []byte) time.Time {
	n, _ := parseInteger(value)
	return Instant(n)
}

// floatOf returns the value of a JSON number, 0 for anything else.
func floatOf(value []byte) float64 {
	var f float64
	if json.Unmarshal(value, &f) != nil {
		return 0
	}
	return f
}
