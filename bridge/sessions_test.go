package bridge

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bridge/polygon/polygontest"
)

// awaitSession waits until a bridge streams, which then is the one that is dealt with.
func (w *world) awaitSession() {
	for {
		var lost bool
		var session polygontest.Subscriber
		var of *host
		w.awaitVendor("a bridge streams", func(st polygontest.Stats) bool {
			lost = w.lost(st)
			session, of = w.streaming()
			return lost || of != nil
		})
		if !lost {
			w.host = of
			w.enter(session)
			return
		}
		w.mark("no session for a minute: the bridge starts anew")
		w.awaitRead()
		if w.vendor.fates.IntN(2) == 0 {
			w.endBridge()
		} else {
			w.killBridge()
		}
		w.startBridge()
	}
}

// lost reports whether the bridge is one that was evicted, or whose session is half-open. It is right to wait for a minute then,
// and a schedule has no time for that.
func (w *world) lost(st polygontest.Stats) bool { return !w.pair && st.Evicted+st.Stalled > w.hopeless }

// streaming returns the session that streams, and the bridge whose it is: nil when there is none, or two, or it is of a process that
// does not run.
func (w *world) streaming() (session polygontest.Subscriber, of *host) {
	all := w.vendor.Subscribers()
	for _, h := range w.hosts {
		if len(all) == 1 && all[0].Key == h.key && all[0].Session >= h.first && !h.bridge.paused && h.bridge.cmd != nil {
			return all[0], h
		}
	}
	return session, nil
}

// streams reports whether the session that is known of the bridge is the present one, and streams.
func (w *world) streams() bool {
	all := w.vendor.Subscribers()
	return len(all) == 1 && all[0].Session == w.session
}

// hostOf returns the bridge whose session it was.
func (w *world) hostOf(session int) *host {
	for _, h := range w.hosts {
		if _, known := h.read[session]; known {
			return h
		}
	}
	return w.host // nothing was sent in it
}

// enter takes note of a session, before anything is sent in it: all that was read is of the ones before.
func (w *world) enter(s polygontest.Subscriber) {
	if s.Session == w.session {
		return
	}
	eventually(w.t, "the frames that were read are counted", w.count)
	w.before += w.read[w.session]
	w.session = s.Session
	w.hasRead(w.session, 0)
	w.vendor.plan()
	w.vendor.missed()
}

// count notes how much of the session was read, and how much of that the queue has refused.
func (w *world) count() error {
	n, err := w.metric("bridge_frames_received_total")
	if err != nil {
		return err
	}
	refused, err := w.metric("bridge_frames_dropped_total") // not before the other: those are to be among them
	w.hasRead(w.session, n-w.before)
	w.refused[w.first] = refused
	return err
}

func (w *world) awaitVendor(what string, enough func(polygontest.Stats) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 90*time.Second)
	defer cancel()
	if err := w.vendor.Wait(ctx, enough); err != nil {
		w.t.Fatalf("%s: %v: %+v", what, err, w.vendor.Stats())
	}
}

// metric asks the bridge for one of its metrics.
func (w *world) metric(name string) (int, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.metrics, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if series, value, _ := strings.Cut(lines.Text(), " "); strings.HasPrefix(series, name+"{") {
			n, err := strconv.ParseFloat(value, 64)
			return int(n), err
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
