package polygontest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxPage and defaultPage are the vendor's limits of bars on a page.
const (
	maxPage     = 50_000
	defaultPage = 5_000
)

// barsAnswer is a page of bars.
type barsAnswer struct {
	Ticker       string          `json:"ticker"`
	QueryCount   int             `json:"queryCount"`
	ResultsCount int             `json:"resultsCount"`
	Adjusted     bool            `json:"adjusted"`
	Results      json.RawMessage `json:"results,omitempty"`
	Status       string          `json:"status"`
	RequestID    string          `json:"request_id"`
	Count        int             `json:"count"`
	NextURL      string          `json:"next_url,omitempty"`
}

// serveAggregates answers a request for bars of a second or a minute. Times are in milliseconds; dates, which the
// vendor takes as well, are not known here. A ticker that nobody knows has no bars.
func (s *Server) serveAggregates(w http.ResponseWriter, r *http.Request) {
	if fault := s.config.REST.Aggregates; fault != (RESTFault{}) {
		s.inject(w, r, fault)
		return
	}
	query := r.URL.Query()
	if cursor := query.Get("cursor"); cursor != "" {
		held, err := base64.RawURLEncoding.DecodeString(cursor)
		if query, _ = url.ParseQuery(string(held)); err != nil {
			s.refuse(w, restBadRequest("invalid cursor"))
			return
		}
	}
	span := r.PathValue("span")
	from, errFrom := strconv.ParseInt(r.PathValue("from"), 10, 64)
	to, errTo := strconv.ParseInt(r.PathValue("to"), 10, 64)
	if errFrom != nil || errTo != nil || from > to || span != "second" && span != "minute" {
		s.refuse(w, restBadRequest("Could not parse the time range"))
		return
	}
	limit := s.page(query.Get("limit"))
	backward := query.Get("sort") == "desc"
	var bars []bar
	ticker := r.PathValue("ticker")
	if symbol, ok := s.past.symbol(ticker); ok {
		bars = s.past.bars(span == "minute", symbol, from, to, s.visible(), limit+1, backward)
	}
	a := barsAnswer{
		Ticker:    ticker,
		Adjusted:  query.Get("adjusted") != "false",
		Status:    s.config.REST.status(),
		RequestID: w.Header().Get("X-Request-Id"),
	}
	if len(bars) > limit {
		a.NextURL = s.next(r, query, bars[limit].start, backward)
		bars = bars[:limit]
	}
	a.QueryCount, a.ResultsCount, a.Count = len(bars), len(bars), len(bars)
	if len(bars) > 0 || !s.config.REST.OmitEmpty {
		a.Results = s.appendBars(nil, bars)
	}
	answer(w, http.StatusOK, a)
}

// page is how many bars a page holds for a request with that limit.
func (s *Server) page(limit string) int {
	n, err := strconv.Atoi(limit)
	if err != nil || n <= 0 {
		n = defaultPage
	}
	most := s.config.REST.PageSize
	if most == 0 {
		most = maxPage
	}
	return min(n, most)
}

// next is the URL of the page that begins with the bar that starts at start. It has no key.
func (s *Server) next(r *http.Request, query url.Values, start int64, backward bool) string {
	steps := strings.Split(r.URL.EscapedPath(), "/")
	edge := len(steps) - 2 // from
	if backward {
		edge = len(steps) - 1 // to
	}
	steps[edge] = strconv.FormatInt(start, 10)
	cursor := base64.RawURLEncoding.EncodeToString([]byte(query.Encode()))
	return s.RESTURL + strings.Join(steps, "/") + "?cursor=" + cursor
}

// appendBars appends the bars as an array.
func (s *Server) appendBars(dst []byte, bars []bar) []byte {
	dst = append(dst, '[')
	for i := range bars {
		dst = append(s.appendRESTBar(dst, &bars[i]), ',')
	}
	return append(bytes.TrimSuffix(dst, []byte(",")), ']')
}

// appendRESTBar writes a bar as REST does.
func (s *Server) appendRESTBar(dst []byte, b *bar) []byte {
	dst = append(s.appendVolume(append(dst, `{"v":`...), b.volume), `,"vw":`...)
	dst = append(appendMoney(dst, b.vwap), `,"o":`...)
	dst = append(appendMoney(dst, b.open), `,"c":`...)
	dst = append(appendMoney(dst, b.close), `,"h":`...)
	dst = append(appendMoney(dst, b.high), `,"l":`...)
	dst = append(appendMoney(dst, b.low), `,"t":`...)
	dst = append(strconv.AppendInt(dst, b.start, 10), `,"n":`...)
	dst = strconv.AppendInt(dst, b.trades(), 10)
	if b.otc {
		dst = append(dst, `,"otc":true`...)
	}
	return append(dst, '}')
}

// appendVolume writes a volume as a number, exactly: shares, and what there is of a fraction.
func (s *Server) appendVolume(dst []byte, volume int64) []byte {
	format := byte('f')
	if s.config.REST.Exponent {
		format = 'e'
	}
	return strconv.AppendFloat(dst, float64(volume)/parts, format, -1, 64)
}

// trades is how many trades a bar has, which follows from their average size; 1 where that is not known.
func (b *bar) trades() int64 {
	if b.size == 0 {
		return 1
	}
	return max(1, b.volume*10/(parts*b.size))
}
