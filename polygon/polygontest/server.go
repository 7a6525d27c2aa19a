package polygontest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"bridge/polygon"
)

// Config says which vendor a server plays. The zero value accepts every key, trades nothing, and sends what
// it is given to send.
type Config struct {
	Feed polygon.Market // which channels exist, and the path of the URL; "" is polygon.Stocks
	Plan Plan           // what the key is entitled to

	// Market is what trades; its bars are sent to the sessions that subscribed to them.
	Market Market

	// Pace says when they are sent; "" is AsRead.
	Pace Pace

	// Events closes the market once so many events were made; 0 never closes it. Sessions stay open, as
	// they do in the evening.
	Events int

	// FrameEvents is the most events a frame of the market holds; 0 is 100. A frame never spans two
	// seconds and stays below 1 MB.
	FrameEvents int

	// Answers says how subscribes are answered; "" is AnswersTogether.
	Answers Answers

	// AuthTimeout is how long a connection may stay unauthenticated; 0 is ten seconds. The vendor's own
	// figure is unknown.
	AuthTimeout time.Duration

	// Buffer is how many bytes are held for a connection that reads too slowly. It is sent its data late,
	// and killed when a frame no longer fits. 0 waits for the reader instead: nothing is killed, and the
	// market is late for everyone.
	Buffer int

	// Record says what the tape keeps; "" is RecordEvents.
	Record Record

	// REST says what can be asked for beside the feed; the zero value serves no REST.
	REST REST
}

// Server is a vendor on a socket of this machine.
type Server struct {
	// URL is what to dial; set by Start.
	URL string

	// RESTURL is where REST is served; set by Start, "" where it is not served.
	RESTURL string

	// Listener is where connections come from. It may be replaced before Start.
	Listener net.Listener

	config  Config
	tape    Tape
	traded  map[string]bool // parameters that the market has events for
	burst   frame           // the market's, while it is made; owned by the market's goroutine
	past    *past           // what the market has made
	http    http.Server
	restMux http.Handler
	ctx     context.Context // done when the server closes
	stop    context.CancelFunc

	sending sync.Mutex // held while one frame goes out, so all sessions and the tape see one order
	targets []*session // of the frame that goes out; guarded by sending

	mu          sync.Mutex // guards what follows
	closed      bool
	work        sync.WaitGroup // sessions and the market; grows only while not closed
	sessions    []*session     // open ones, oldest first
	former      []Subscriber   // that have ended
	script      [][]Fault      // of the sessions to come
	restScript  []RESTFault    // of the REST requests to come
	restGranted []time.Time    // when those of the last minute were granted, where the plan limits them
	stats       Stats
	changed     chan struct{} // closed when stats change; nil while nobody waits
}

// NewServer starts a server on a free port of the loopback interface. It panics if there is none.
func NewServer(config Config) *Server {
	s := NewUnstartedServer(config)
	s.Start()
	return s
}

// NewUnstartedServer returns a server that does not listen yet, so its Listener can be replaced.
func NewUnstartedServer(config Config) *Server {
	if config.Feed == "" {
		config.Feed = polygon.Stocks
	}
	if config.FrameEvents == 0 {
		config.FrameEvents = 100
	}
	if config.AuthTimeout == 0 {
		config.AuthTimeout = 10 * time.Second
	}
	s := &Server{config: config, traded: config.Market.params()}
	s.tape.record = config.Record
	s.past = newPast(config.REST.Keep, config.Feed, config.Market.Symbols)
	s.restMux = s.restHandler()
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Start listens, serves and opens the market.
func (s *Server) Start() {
	if s.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(fmt.Sprintf("polygontest: listen: %v", err))
		}
		s.Listener = l
	}
	s.URL = fmt.Sprintf("ws://%s/%s", s.Listener.Addr(), s.config.Feed)
	if s.config.REST.serves() {
		s.RESTURL = "http://" + s.Listener.Addr().String()
	}
	s.http.Handler = http.HandlerFunc(s.serve)
	s.http.ErrorLog = log.New(io.Discard, "", 0)
	s.http.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, wireKey{}, c)
	}
	g, due := s.openMarket()
	s.background(func() { s.http.Serve(wireListener{s.Listener}) })
	s.background(func() { s.runMarket(g, due) })
}

// wireKey finds the wire of a request in its context.
type wireKey struct{}

// Close ends all connections without a close frame, stops the market and waits until nothing runs any more.
func (s *Server) Close() {
	s.stop()
	s.mu.Lock()
	s.closed = true
	sessions := s.sessions
	s.mu.Unlock()
	s.http.Close()
	for _, c := range sessions {
		c.wire.Close()
	}
	s.work.Wait()
}

// NextSession adds a connection to the script: the first call is for the next connection, the second for the
// one after it, and so on. A call without faults lets a connection pass. Connections after the script's
// end have no faults.
func (s *Server) NextSession(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults)
}

// Tape is what the server has sent.
func (s *Server) Tape() *Tape { return &s.tape }

// serve handles one request: for an upgrade, or of the REST side.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if s.config.REST.serves() && strings.HasPrefix(r.URL.Path, "/v2/") {
		s.run(func() { s.serveREST(w, r) })
		return
	}
	if market, err := polygon.MarketOf("ws://" + r.Host + r.URL.Path); err != nil || market != s.config.Feed {
		http.NotFound(w, r)
		return
	}
	faults := s.nextFaults()
	if f, ok := find(faults, kindRefuse); ok {
		http.Error(w, http.StatusText(f.code), f.code)
		s.update(func(st *Stats) { st.Refused++ })
		return
	}
	c := &session{server: s, faults: faults, wire: r.Context().Value(wireKey{}).(*wire)}
	s.run(func() { c.serve(w, r) })
}

func (s *Server) nextFaults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return nil
	}
	faults := s.script[0]
	s.script = s.script[1:]
	return faults
}

// run calls f so that Close waits for it, unless the server has closed.
func (s *Server) run(f func()) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()
	f()
}

// background is run on a goroutine of its own.
func (s *Server) background(f func()) { go s.run(f) }

// enter adds a session to the open ones and numbers it; false when the server has closed.
func (s *Server) enter(c *session) bool {
	entered := false
	s.update(func(st *Stats) {
		if s.closed {
			return
		}
		entered = true
		st.Sessions++
		st.Open++
		c.number = st.Sessions
		s.sessions = append(s.sessions, c)
	})
	return entered
}
