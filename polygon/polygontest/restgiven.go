package polygontest

import (
	"math"
	"strconv"

	"bridge/polygon"
)

// Past lets REST know of the bars in a frame, as if the market had made them: those that a test gives to [Server.Send] itself, and
// those that it wants to have been lost. A bar that REST knows already becomes what the frame says. Events that are no
// bars are left out. Prices are kept to four decimals, volumes to six.
//
// Where no market trades, what REST says is seen at once with the pace AsRead, and by the clock, with [REST].Lag and
// [REST].Delayed, with RealTime.
func (s *Server) Past(frame []byte) {
	for _, e := range split(frame) {
		a, err := polygon.ParseAggregate(frame[e.from:e.to])
		if err != nil {
			continue
		}
		if c := s.config.Feed.Channel(a.Type); c != nil && c.Kind.Aggregate() {
			s.past.addOf(a.Symbol, given(a, c.Kind))
		}
	}
}

// given is a bar from outside in the market's units.
func given(a polygon.Aggregate, kind polygon.Kind) bar {
	b := bar{
		minute: kind == polygon.KindAgg1m,
		start:  int64(a.StartMs),
		end:    int64(a.StartMs) + 1000,

		open: units(a.Open, money), high: units(a.High, money), low: units(a.Low, money), close: units(a.Close, money),
		vwap: units(a.VWAP, money), dayVWAP: units(a.DayVWAP, money),
		volume: exact(a.ExactVolume, a.Volume), dayVolume: exact(a.ExactDayVolume, a.DayVolume),
		size: units(a.AverageSize, 10),
		otc:  a.OTC,
	}
	if b.minute {
		b.end = b.start + 60_000
	}
	if a.DayOpen != nil {
		b.dayOpen = units(*a.DayOpen, money)
	}
	return b
}

// exact is a volume in parts: the decimal one, or where there is none, the other.
func exact(decimal polygon.Text, volume float64) int64 {
	if v, err := strconv.ParseFloat(string(decimal), 64); err == nil {
		volume = v
	}
	return units(volume, parts)
}

func units(value float64, each int64) int64 { return int64(math.Round(value * float64(each))) }
