package polygontest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"
)

func TestHandshakeSpeaksTheVendorsWords(t *testing.T) {
	for _, tt := range []struct {
		name string
		plan Plan
		want []string // statuses after connected
		ends bool     // dropped without a close frame
	}{
		{"good key", Plan{Key: "key"}, []string{"auth_success: authenticated"}, false},
		{"bad key", Plan{Key: "other"}, []string{"auth_failed: authentication failed"}, true},
		{"no websocket", Plan{Access: NoWebSocket}, []string{"auth_failed: " + textNoWebSocket}, true},
		{"delayed only", Plan{Access: DelayedOnly}, []string{"auth_success: authenticated", "error: " + textNoRealTime}, false},
		{"unsigned", Plan{Access: Unsigned}, []string{"auth_success: authenticated", "error: " + textUnsigned}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, Config{Plan: tt.plan})
			c := dial(t, s)
			c.expect("connected: Connected Successfully")
			c.send("auth", "key")
			for _, want := range tt.want {
				c.expect(want)
			}
			if !tt.ends {
				return
			}
			if _, err := c.next(); err == nil || websocket.CloseStatus(err) != -1 {
				t.Errorf("got %v, want an end without a close frame", err)
			}
		})
	}
}

func TestUnauthenticatedConnectionTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewUnstartedServer(Config{})
		s.StartPipe()
		defer s.Close()
		c := dial(t, s)
		c.expect("connected: Connected Successfully")
		c.expect("auth_timeout: No authentication request received.")
		if _, err := c.next(); err == nil {
			t.Error("the connection lives on")
		}
	})
}

func TestAuthenticatedConnectionDoesNotTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewUnstartedServer(Config{})
		s.StartPipe()
		defer s.Close()
		c := subscribe(t, s, "A.*")
		ctx, cancel := context.WithTimeout(t.Context(), 2*s.config.AuthTimeout)
		defer cancel()
		if _, data, err := c.Read(ctx); ctx.Err() == nil {
			t.Errorf("got %s, %v, want silence", data, err)
		}
	})
}

func TestPathNamesTheMarket(t *testing.T) {
	s := start(t, Config{})
	if !strings.HasSuffix(s.URL, "/stocks") {
		t.Errorf("got URL %s, want the path /stocks", s.URL)
	}
	wrong := strings.Replace(s.URL, "/stocks", "/crypto", 1)
	_, resp, err := websocket.Dial(deadline(t), wrong, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, %v, want 404", resp, err)
	}
}

func TestSecondConnectionKicksOlder(t *testing.T) {
	for _, tt := range []struct {
		eviction Eviction
		text     string
		code     websocket.StatusCode
	}{
		{Close1008, textEvicted1008, websocket.StatusPolicyViolation},
		{Abort, textEvictedAbort, -1},
	} {
		t.Run(string(tt.eviction), func(t *testing.T) {
			s := start(t, Config{Plan: Plan{Eviction: tt.eviction}})
			older := subscribe(t, s, "A.*")
			newer := subscribe(t, s, "A.*")
			older.expect("max_connections: " + tt.text)
			if _, err := older.next(); err == nil || websocket.CloseStatus(err) != tt.code {
				t.Errorf("got %v, want close code %d", err, tt.code)
			}
			if err := s.Wait(deadline(t), func(st Stats) bool { return st.Open == 1 }); err != nil {
				t.Fatal(err)
			}
			if n := s.Send([]byte(`[{"ev":"A"}]`)); n != 1 {
				t.Errorf("sent to %d connections, want 1", n)
			}
			newer.events()
		})
	}
}

func TestSecondConnectionIsRefusedAfterItSubscribed(t *testing.T) {
	s := start(t, Config{Plan: Plan{Limit: RefuseNewer, Eviction: Abort}})
	older := subscribe(t, s, "A.*")
	newer := subscribe(t, s, "A.*")
	newer.expect("max_connections: " + textEvictedAbort)
	if _, err := newer.next(); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("got %v, want an end without a close frame", err)
	}
	s.Send([]byte(`[{"ev":"A"}]`))
	older.events()
	if st := s.Stats(); st.Evicted != 1 || st.AuthOK != 2 {
		t.Errorf("got %+v, want 1 evicted of 2 authenticated", st)
	}
}

func TestPlanAllowsMoreConnections(t *testing.T) {
	for _, allowed := range []int{3, -1} {
		s := start(t, Config{Plan: Plan{Connections: allowed}})
		for range 3 {
			subscribe(t, s, "A.*")
		}
		if err := s.Wait(deadline(t), func(st Stats) bool { return st.Subscribed == 3 }); err != nil {
			t.Fatalf("allowed %d: %v, %+v", allowed, err, s.Stats())
		}
	}
}

func TestOutOfTurnIsMetWithSilence(t *testing.T) {
	s := start(t, Config{})
	c := dial(t, s)
	c.expect("connected: Connected Successfully")
	c.send("subscribe", "A.*")
	c.Write(deadline(t), websocket.MessageText, []byte("no JSON"))
	c.send("auth", "key")
	c.expect("auth_success: authenticated")
}

func TestPipelinedHandshakeWorks(t *testing.T) {
	s := start(t, Config{})
	c := dial(t, s)
	c.send("auth", "key")
	c.send("subscribe", "A.AAPL")
	c.expect("connected: Connected Successfully")
	c.expect("auth_success: authenticated")
	c.expect("success: subscribed to: A.AAPL")
}
