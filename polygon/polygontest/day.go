package polygontest

// symbolState is a symbol's day so far.
type symbolState struct {
	price     int64 // money, whole cents
	dayOpen   int64 // money
	dayVWAP   int64 // money
	dayVolume int64 // parts
	otc       bool
}

// add counts the bar in the symbol's day, and gives the bar the sums.
func (s *symbolState) add(b *bar) {
	s.dayVolume += b.volume
	if shares := s.dayVolume / parts; shares == 0 {
		s.dayVWAP = b.vwap
	} else {
		s.dayVWAP += (b.vwap - s.dayVWAP) * (b.volume / parts) / shares
	}
	b.dayVolume, b.dayVWAP = s.dayVolume, s.dayVWAP
}

// gather adds a second bar to the minute bar m, which has no volume before the minute's first.
func (m *bar) gather(b *bar) {
	if m.volume == 0 {
		*m = *b
		m.minute = true
		m.start = b.start - b.start%60_000
		m.end = m.start + 60_000
		return
	}
	m.high, m.low, m.close = max(m.high, b.high), min(m.low, b.low), b.close
	m.volume += b.volume
	m.dayVolume, m.dayVWAP, m.dayOpen = b.dayVolume, b.dayVWAP, b.dayOpen
	m.vwap += (b.vwap - m.vwap) * (b.volume / parts) / max(1, m.volume/parts)
}
