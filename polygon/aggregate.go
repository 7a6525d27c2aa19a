package polygon

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Aggregate is a bar of any market: A, AM, CA, CAS, XA, XAS.
//
// The feed sends a bar about two seconds after its window, and again, corrected, when late trades come
// in, for about 15 minutes. Nothing marks a correction. So treat a bar whose Key was seen as its replacement.
//
// There is no bar for a window without an eligible trade. Prices are of eligible trades only, but volume
// counts odd lots too; hence VWAP may lie outside of Low and High.
type Aggregate struct {
	Type    string   `json:"ev"`
	Symbol  string   `json:"sym"` // case-sensitive: TPC and TpC differ; from "pair" where a market has that
	StartMs Int      `json:"s"`   // window start, Unix ms
	EndMs   Int      `json:"e"`   // window end, Unix ms, exclusive; 0 where the feed leaves it out
	Open    float64  `json:"o"`
	High    float64  `json:"h"`
	Low     float64  `json:"l"`
	Close   float64  `json:"c"`
	Volume  float64  `json:"v"`  // cut to whole shares for stocks, so 0 is possible: see ExactVolume. Forex: number of quotes
	VWAP    float64  `json:"vw"` // volume weighted price of the window
	DayOpen *float64 `json:"op"` // the official open; nil before it

	DayVolume   float64 `json:"av"` // since the day began, cut to whole shares
	DayVWAP     float64 `json:"a"`
	AverageSize float64 `json:"z"` // of a trade; documented as an integer, but 12.5 has been seen
	Trades      float64 `json:"n"` // futures, and bars from REST

	ExactVolume    Text `json:"dv"`  // volume as an exact decimal, "200.000000"; futures: total value in dollars
	ExactDayVolume Text `json:"dav"` // day volume as an exact decimal
	OTC            bool `json:"otc"` // absent when false
}

// ParseAggregate decodes a bar of any market. It wants what every bar has: type, symbol and window start.
func ParseAggregate(raw []byte) (Aggregate, error) {
	var bar struct {
		Aggregate
		Pair string `json:"pair"`
	}
	if err := json.Unmarshal(raw, &bar); err != nil {
		return Aggregate{}, fmt.Errorf("parse aggregate: %w", err)
	}
	if bar.Symbol == "" {
		bar.Symbol = bar.Pair
	}
	if bar.Type == "" || bar.Symbol == "" || bar.StartMs == 0 {
		return Aggregate{}, errors.New("parse aggregate: no type, no symbol or no window start")
	}
	return bar.Aggregate, nil
}

// Start returns when the bar's window begins.
func (a Aggregate) Start() time.Time { return time.UnixMilli(int64(a.StartMs)).UTC() }

// Key returns what a correction has in common with the bar it replaces: A.AAPL.1754055000000.
func (a Aggregate) Key() string {
	return a.Type + "." + a.Symbol + "." + strconv.FormatInt(int64(a.StartMs), 10)
}
