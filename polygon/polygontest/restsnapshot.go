package polygontest

import (
	"net/http"
	"strconv"
)

// serveSnapshot answers a request for the state of all stocks, as far as bars tell it: a ticker was updated last when
// its last bar ended, and its day is what that bar says of it. Stocks without a bar are left out, as in the vendor's
// morning, and so are OTC stocks that are not asked for.
func (s *Server) serveSnapshot(w http.ResponseWriter, r *http.Request) {
	s.update(func(st *Stats) { st.RESTSnapshots++ })
	if fault := s.config.REST.Snapshot; fault != (RESTFault{}) {
		s.inject(w, r, fault)
		return
	}
	otc := r.URL.Query().Get("include_otc") == "true"
	body := []byte(`{"tickers":[`)
	count := 0
	until := s.visible()
	for i, ticker := range s.past.known() {
		last := s.past.bars(false, int32(i), 0, endOfDays, until, 1, true)
		if len(last) == 0 || last[0].otc && !otc {
			continue
		}
		if count > 0 {
			body = append(body, ',')
		}
		body = s.appendTicker(body, ticker, &last[0])
		count++
	}
	body = strconv.AppendInt(append(body, `],"count":`...), int64(count), 10)
	body = append(append(append(body, `,"status":"`...), s.config.REST.status()...), `","request_id":"`...)
	body = append(append(body, w.Header().Get("X-Request-Id")...), `"}`...)
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// appendTicker writes the state of a ticker whose last bar is b.
func (s *Server) appendTicker(dst []byte, ticker string, b *bar) []byte {
	dst = append(append(append(dst, `{"ticker":"`...), ticker...), `","day":{"o":`...)
	dst = append(appendMoney(dst, b.dayOpen), `,"c":`...)
	dst = append(appendMoney(dst, b.close), `,"v":`...)
	dst = append(s.appendVolume(dst, b.dayVolume), `,"vw":`...)
	dst = append(appendMoney(dst, b.dayVWAP), `},"min":{"av":`...)
	dst = append(strconv.AppendInt(dst, b.dayVolume/parts, 10), `,"t":`...)
	dst = append(strconv.AppendInt(dst, b.start-b.start%60_000, 10), `},"updated":`...)
	return append(strconv.AppendInt(dst, b.end*1_000_000, 10), '}')
}
