package bridge

import (
	"errors"
	"testing"
	"time"

	"bridge/polygon/polygontest"
)

// hangInFill lets a bridge fill a part of its next gap, and then has REST say nothing more to it.
func hangInFill(srv *polygontest.Server) {
	srv.NextREST(make([]polygontest.RESTFault, 8)...)
	for range askers {
		srv.NextREST(polygontest.RESTSilent())
	}
}

// awaitHalfFilled waits until the stream has bars from REST, and REST is silent.
func awaitHalfFilled(t *testing.T, srv *polygontest.Server, url string) {
	t.Helper()
	eventually(t, "some bars are filled", func() error {
		if srv.Stats().RESTRefused < askers {
			return errors.New("REST is not silent yet")
		}
		for _, m := range readStream(t, url, "STOCKS") {
			if m.Headers().Get(headerSource) == "rest" {
				return nil
			}
		}
		return errors.New("none yet")
	})
}

// TestTakeOverInFill: the active bridge is killed while it fills a gap. The other one takes over and goes on with it: everything
// is there, nothing twice, and each gap has one outcome.
func TestTakeOverInFill(t *testing.T) {
	t.Parallel()
	srv := newLiveMarket(t, 900, polygontest.REST{})
	outage(srv, 4)
	hangInFill(srv)
	p := startPairOn(t, srv, shortTTL, newFillingBridge)
	awaitHalfFilled(t, srv, p.server.url)
	p.a.kill()
	all, _ := finishFill(t, p.b, srv, p.server.url, 2)
	checkResumed(t, all, reasonTakeover)
}

// TestRollbackInFill: the server dies while a gap is filled and comes back as it was before the gap. In the end the stream has
// all bars of the gap once.
func TestRollbackInFill(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	srv := newLiveMarket(t, 900, polygontest.REST{})
	b := newFillingBridge(t, srv, s.url, "BRIDGE_DATA_DIR="+t.TempDir())
	b.start()
	stored(t, s.url, 60)
	b.kill()
	before := s.stopToSave()
	hangInFill(srv)
	<-time.After(3 * time.Second) // the gap
	b.start()
	awaitHalfFilled(t, srv, s.url)
	s.kill()
	s.restoreStore(before)
	s.up()
	all, fromREST := finishFill(t, b, srv, s.url, 1)
	if g := all[0]; g.State != gapFilled || g.Outcome.Published != fromREST {
		t.Errorf("got %+v %+v, want it filled by the %d bars from REST", g, g.Outcome, fromREST)
	}
}
