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

// awaitSession waits until the bridge streams.
func (w *world) awaitSession() {
	for {
		var st polygontest.Stats
		w.awaitVendor("the bridge streams", func(now polygontest.Stats) bool {
			st = now
			return w.lost(now) || now.Sessions >= w.first && now.Open == 1 && now.Subscribed == 1
		})
		if !w.lost(st) {
			w.enter(st.Sessions)
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
func (w *world) lost(st polygontest.Stats) bool { return st.Evicted+st.Stalled > w.hopeless }

// enter takes note of a session, before anything is sent in it: all that was read is of the ones before.
func (w *world) enter(session int) {
	if session == w.session {
		return
	}
	eventually(w.t, "the frames that were read are counted", w.count)
	w.before += w.read[w.session]
	w.session = session
	w.vendor.plan()
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
