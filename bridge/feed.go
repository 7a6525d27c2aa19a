package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"bridge/bridge/internal/spool"
	"bridge/polygon"
)

// State is what a feed is doing, as it appears in metrics.
type State string

const (
	StateIdle        State = "idle" // it stands by, or stops
	StateConnecting  State = "connecting"
	StateSubscribing State = "subscribing"
	StateStreaming   State = "streaming"
	StateWaiting     State = "waiting"
)

const (
	// provenAfter is the life after which a session counts as good. auth_success alone proves nothing: the
	// vendor may still end the connection because of its limit of connections.
	provenAfter = 30 * time.Second
	// cooldown is the least wait where coming back soon makes it worse: another process holds the key's one
	// connection, and two that dial without pause end each other's for ever.
	cooldown = 60 * time.Second
	// longestFeedWait is between two attempts to reach the feed.
	longestFeedWait = 30 * time.Second
)

// errNothingSubscribed ends a session in which every parameter was refused, errNothingAnswered one in which the feed said
// nothing to any: it may not know the channels, or just be slow.
var (
	errNothingSubscribed = errors.New("no parameter of POLYGON_SUBSCRIBE was accepted")
	errNothingAnswered   = errors.New("no parameter of POLYGON_SUBSCRIBE was answered")
)

// feed is the succession of sessions with the vendor. It reads frames into the queue and does nothing
// that could make it wait: the vendor drops slow readers.
type feed struct {
	cfg     Config
	queue   queue
	metrics *metrics
	log     *slog.Logger
	limited *limiter
	ready   *readiness
	client  *http.Client // for the upgrade; nil: the default
	valid   func() bool  // whether it may dial at this moment; nil: always
	took    bool         // it begins a turn after that of another process
	frames  int          // read in this session
	total   int          // read since the start

	away      *interruption // nil while what the feed sends gets into the queue
	lastFrame time.Time     // that the queue took, or when the session began to stream
	lastGap   time.Time     // end of the gap that was recorded in this session; zero when there was none
}

// run keeps a session going until ctx ends or it may not dial any more, which is success, or the feed refuses the key.
func (f *feed) run(ctx context.Context) error {
	defer f.metrics.enter(StateIdle)
	f.away = &interruption{reason: reasonRestart}
	if f.took {
		f.away.reason = reasonTakeover
	}
	for failures := 0; ; failures++ {
		if f.valid != nil && !f.valid() { // a process that was frozen wakes in the wait below
			return nil
		}
		f.metrics.enter(StateConnecting)
		began := time.Now()
		f.frames = 0
		err := f.session(ctx)
		f.ready.feed(false)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, polygon.ErrAuth) {
			return explainAuth(err)
		}
		f.metrics.sessionEnded(endReason(err))
		if time.Since(began) > provenAfter {
			failures = 0
		}
		wait := backoff(failures, longestFeedWait)
		if needsCooldown(err) {
			wait = cooldown/2 + jitter(cooldown) // 60 to 90 s: never less than the cooldown
		}
		f.metrics.enter(StateWaiting)
		wait = wait.Round(time.Millisecond)
		if endReason(err) == "dial" {
			f.log.Warn("feed not reached", "wait", wait, "err", explainSession(err))
		} else {
			f.log.Warn("session ended", "frames", f.frames, "wait", wait, "err", explainSession(err))
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// session is one connection, from dial to close.
func (f *feed) session(ctx context.Context) error {
	conn, err := polygon.Dial(ctx, f.cfg.FeedURL, polygon.DialOptions{
		Key:        f.cfg.APIKey.Reveal(),
		HTTPClient: f.client,
		OnStatus:   f.status,
	})
	if err != nil {
		return err
	}
	defer conn.Close()

	f.metrics.enter(StateSubscribing)
	f.lastGap = time.Time{}
	answer, err := conn.Subscribe(ctx, f.cfg.Subscribe, f.deliver)
	if err != nil {
		f.interrupt(conn, err)
		return err
	}
	f.report(answer)
	if len(answer.Confirmed) == 0 {
		err = errNothingSubscribed
		if len(answer.Silent) == len(f.cfg.Subscribe) {
			err = errNothingAnswered
		}
		f.interrupt(conn, err) // data may have come all the same
		return err
	}

	f.subscribed(time.Now())
	f.metrics.enter(StateStreaming)
	f.ready.feed(true)
	f.log.Info("session streaming", "subscriptions", len(answer.Confirmed))
	for {
		frame, err := conn.Read(ctx)
		if err != nil {
			f.interrupt(conn, err)
			return err
		}
		f.deliver(frame)
	}
}

// deliver puts a frame into the queue. When the queue is full the frame is lost, and that is loud.
func (f *feed) deliver(frame []byte) {
	now := time.Now()
	if f.away == nil && f.valid != nil && !f.valid() {
		now = f.lastFrame // it waited for a process that was frozen, and was sent before another one became active
	}
	f.frames++
	f.total++
	err := f.resumed(now)
	if err == nil {
		err = f.queue.Append(kindFrame, frame, now)
	}
	if err == nil {
		f.kept(now)
	} else {
		f.refused()
		f.metrics.dropped("queue_full")
		f.limited.Error("queue_full", "frames are being lost: the queue is full", "setting", f.bound(err), "err", err)
	}
	f.metrics.framesReceived.Inc() // last, so that what is counted is in the queue
}

// bound is the setting that made the queue refuse a frame.
func (f *feed) bound(err error) string {
	if f.cfg.DataDir != "" && err == spool.ErrFull { // what it wraps has to do with the memory that stands in for the disk
		return "BRIDGE_SPOOL_MAX_BYTES"
	}
	return "BRIDGE_QUEUE_MAX_BYTES"
}

// report names the parameters that the feed does not serve.
func (f *feed) report(a polygon.Answer) {
	f.metrics.subscribed(a)
	if len(a.Refused) > 0 {
		f.log.Error("subscription refused: see the plan of POLYGON_API_KEY", "channel", strings.Join(a.Refused, ","), "err", a.Refusals[0].Err())
	}
	if len(a.Unclear) > 0 {
		f.log.Error("subscription refused or not answered: see the plan of POLYGON_API_KEY, and check POLYGON_SUBSCRIBE",
			"channel", strings.Join(a.Unclear, ","), "err", a.Refusals[0].Err())
	}
	if len(a.Silent) > 0 {
		f.log.Error("subscription not answered: the feed may not know the channel, check POLYGON_SUBSCRIBE", "channel", strings.Join(a.Silent, ","))
	}
}

// status logs what the feed says outside of the handshake.
func (f *feed) status(s polygon.Status) {
	f.log.Debug("status received", "state", s.Status, "message", s.Message)
}

// needsCooldown reports whether dialling again soon would make it worse or change nothing.
func needsCooldown(err error) bool {
	return errors.Is(err, polygon.ErrMaxConnections) || errors.Is(err, polygon.ErrNotEntitled) || errors.Is(err, errNothingSubscribed)
}

// endReason is the metric label for the end of a session.
func endReason(err error) string {
	switch {
	case errors.Is(err, polygon.ErrMaxConnections):
		return "max_connections"
	case errors.Is(err, polygon.ErrNotEntitled), errors.Is(err, errNothingSubscribed):
		return "not_entitled"
	case errors.Is(err, polygon.ErrSilent), errors.Is(err, errNothingAnswered):
		return "silent"
	case errors.Is(err, polygon.ErrAuthTimeout):
		return "auth_timeout"
	}
	var dial *polygon.DialError
	if errors.As(err, &dial) {
		return "dial"
	}
	return "disconnected"
}

// explainSession adds the remedy to the errors that a person can mend.
func explainSession(err error) error {
	var dial *polygon.DialError
	switch {
	case errors.Is(err, polygon.ErrMaxConnections):
		return fmt.Errorf("%w: another process is connected with this POLYGON_API_KEY; the vendor allows one connection", err)
	case errors.Is(err, polygon.ErrNotEntitled):
		return fmt.Errorf("%w: set POLYGON_URL to the delayed feed, wss://delayed.massive.com/stocks, or sign the agreements of the plan", err)
	case errors.As(err, &dial):
		return fmt.Errorf("%w: %s", err, dialRemedy(dial))
	}
	return err
}

// dialRemedy says what to do about a feed that was not reached.
func dialRemedy(err *polygon.DialError) string {
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "write ws:// instead of wss:// in POLYGON_URL, or check its host"
	case err.StatusCode == http.StatusNotFound:
		return "the host knows no such market, check the path of POLYGON_URL"
	case err.StatusCode >= 500, err.StatusCode == http.StatusTooManyRequests:
		return "the host is in trouble or busy, which passes unless POLYGON_URL is wrong"
	case err.StatusCode != 0:
		return "the host serves no feed there, check POLYGON_URL"
	}
	return "check POLYGON_URL and the network"
}

// explainAuth says which setting the vendor refused.
func explainAuth(err error) error {
	if errors.Is(err, polygon.ErrNoWebSocketAccess) {
		return fmt.Errorf("%w: POLYGON_API_KEY needs a plan with WebSocket access, or POLYGON_URL another market", err)
	}
	return fmt.Errorf("%w: check POLYGON_API_KEY, or the file that POLYGON_API_KEY_FILE names", err)
}
