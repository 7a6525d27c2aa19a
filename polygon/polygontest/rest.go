package polygontest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// REST says how the server answers requests for what the feed does not repeat: bars of the market that were made, each in
// its last version, whether anyone was sent them or not.
type REST struct {
	// Keep is for how long bars are kept, in the market's time, behind the newest one of their symbol. 0 serves
	// no REST. A bar takes about 120 bytes.
	Keep time.Duration

	// Past is how much of that there is when the market opens, traded by one of the same description.
	Past time.Duration

	// PageSize is the most bars on a page, whatever is asked for; 0 is 50,000, as with the vendor.
	PageSize int

	// Lag is how long after the end of its window a bar becomes visible. What is less than the two seconds after
	// which the market makes a bar changes nothing.
	Lag time.Duration

	// Delayed leaves out what is not 15 minutes old, and says DELAYED where else it says OK.
	Delayed bool

	// Exponent writes volumes as 5.617399e+07.
	Exponent bool

	// OmitEmpty leaves out "results" where there are none. Both were seen.
	OmitEmpty bool

	// PerMinute is how many requests are granted in any minute, 5 in the free plan; 0 sets no limit. A request
	// too many is answered like RESTTooMany("").
	PerMinute int

	// Aggregates and Snapshot are what every request of the kind is answered with, for plans that do not have them; the zero value
	// answers with data.
	Aggregates, Snapshot RESTFault
}

// restDelay is by how much a delayed plan is late.
const restDelay = 15 * time.Minute

// serves reports whether there is a REST side.
func (c REST) serves() bool { return c.Keep > 0 }

// status is the word in answers with data.
func (c REST) status() string {
	if c.Delayed {
		return "DELAYED"
	}
	return "OK"
}

// restHandler answers requests with a key that is granted.
func (s *Server) restHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/aggs/ticker/{ticker}/range/1/{span}/{from}/{to}", s.serveAggregates)
	mux.HandleFunc("GET /v2/snapshot/locale/us/markets/stocks/tickers", s.serveSnapshot)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.refuse(w, RESTNotFound()) })
	return mux
}

// serveREST answers one request. What the script says comes before everything else.
func (s *Server) serveREST(w http.ResponseWriter, r *http.Request) {
	number := 0
	s.update(func(st *Stats) {
		st.RESTRequests++
		number = st.RESTRequests
	})
	w.Header().Set("X-Request-Id", requestID(number))
	fault, granted := s.grant(time.Now())
	switch key := r.Header.Get("Authorization"); {
	case fault != RESTFault{}:
		s.inject(w, r, fault)
	case key == "":
		s.refuse(w, restNoKey())
	case s.config.Plan.Key != "" && key != "Bearer "+s.config.Plan.Key:
		s.refuse(w, RESTUnknownKey())
	case !granted:
		s.refuse(w, RESTTooMany(""))
	default:
		s.restMux.ServeHTTP(w, r)
	}
}

// requestID makes up what the vendor puts in every answer.
func requestID(number int) string { return fmt.Sprintf("%032x", number) }

// grant takes the next fault from the script, and counts the request against the plan's minute.
func (s *Server) grant(now time.Time) (RESTFault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.restScript) > 0 {
		fault := s.restScript[0]
		s.restScript = s.restScript[1:]
		if fault != (RESTFault{}) {
			return fault, false
		}
	}
	limit := s.config.REST.PerMinute
	if limit == 0 {
		return RESTFault{}, true
	}
	for len(s.restGranted) > 0 && now.Sub(s.restGranted[0]) >= time.Minute {
		s.restGranted = s.restGranted[1:]
	}
	if len(s.restGranted) >= limit {
		return RESTFault{}, false
	}
	s.restGranted = append(s.restGranted, now)
	return RESTFault{}, true
}

// answer writes an answer as JSON.
func answer(w http.ResponseWriter, statusCode int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types marshal
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusCode)
	w.Write(body)
}

// restNow is the time of the market, in ms, as its newest bars show it: now where it trades in real time; the moment
// when the newest second would have been sent where it does not, and the end of days once it has closed.
func (s *Server) restNow() int64 {
	if s.config.Pace == RealTime {
		return s.past.realTime(time.Now())
	}
	if s.Stats().Closed {
		return endOfDays
	}
	return s.past.virtualTime()
}

// visible is the end of the last window that can be asked for now, in ms.
func (s *Server) visible() int64 {
	now := s.restNow() - s.config.REST.Lag.Milliseconds()
	if s.config.REST.Delayed {
		now -= restDelay.Milliseconds()
	}
	return now
}
