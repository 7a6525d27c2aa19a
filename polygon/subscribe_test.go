package polygon

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

func TestSubscribeTellsWhatBecameOfEachParameter(t *testing.T) {
	params := []string{"A.X", "NOI.*", "ZZ.*"}
	limit := `{"ev":"status","status":"error","message":"Subscription limit reached for feed. Please remove some subscriptions and try again."}`
	for _, tt := range []struct {
		name    string
		answers []string
		want    Answer // less Refusals
	}{
		{"all in one frame", []string{"[" + confirmed("A.X") + "," + confirmed("ZZ.*") + "," + confirmed("NOI.*") + "]"},
			Answer{Confirmed: params}},
		{"a frame each", []string{"[" + confirmed("ZZ.*") + "]", "[" + confirmed("A.X") + "]", "[" + confirmed("NOI.*") + "]"},
			Answer{Confirmed: params}},
		{"refusals first", []string{"[" + refused + "," + refused + "," + confirmed("NOI.*") + "]"},
			Answer{Confirmed: []string{"NOI.*"}, Refused: []string{"A.X", "ZZ.*"}}},
		{"too many", []string{"[" + limit + "," + limit + "," + limit + "]"}, Answer{Refused: params}},
		{"silence", nil, Answer{Silent: params}},
		{"silence for one", []string{"[" + confirmed("A.X") + "," + confirmed("NOI.*") + "]"},
			Answer{Confirmed: []string{"A.X", "NOI.*"}, Silent: []string{"ZZ.*"}}},
		{"silence for one, refusal of another", []string{"[" + refused + "]", "[" + confirmed("A.X") + "]"},
			Answer{Confirmed: []string{"A.X"}, Unclear: []string{"NOI.*", "ZZ.*"}}},
		{"confirmation of another", []string{"[" + confirmed("A.Y") + "]"}, Answer{Silent: params}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, nil, func(p *peer) {
					p.greet()
					if got := p.expect("subscribe"); got != "A.X,NOI.*,ZZ.*" {
						t.Errorf("got the parameters %q", got)
					}
					p.send(tt.answers...)
					p.expect("subscribe")
					p.send("["+confirmed("T.*")+"]", "[1]")
					p.wait()
				})})
				got, err := c.Subscribe(t.Context(), params, noData(t))
				if err != nil {
					t.Fatal(err)
				}
				got.Refusals = nil
				if !reflect.DeepEqual(got, tt.want) {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				// Whatever was left unanswered, the connection is as good as before.
				if got, err := c.Subscribe(t.Context(), []string{"T.*"}, noData(t)); err != nil || len(got.Confirmed) != 1 {
					t.Errorf("got %+v and %v, want T.* confirmed", got, err)
				}
				if got := read(t, c); got != "[1]" {
					t.Errorf("got %s, want [1]", got)
				}
			})
		})
	}
}

func TestSubscribeNamesTheRefusal(t *testing.T) {
	c := dial(t, serve(t, func(p *peer) { p.greet(); p.receive(); p.send("[" + refused + "]"); p.wait() }), DialOptions{})
	got, err := c.Subscribe(t.Context(), []string{"NOI.*"}, noData(t))
	if err != nil || len(got.Refusals) != 1 || !errors.Is(got.Refusals[0].Err(), ErrNotAuthorized) {
		t.Errorf("got %+v and %v, want one refusal that is %v", got, err, ErrNotAuthorized)
	}
}

// The deadline counts from the last answer, so a slow feed is no silent one.
func TestSubscribeWaitsForASlowFeed(t *testing.T) {
	params := []string{"A.1", "A.2", "A.3", "A.4"}
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, nil, func(p *peer) {
			p.greet()
			p.receive()
			for _, param := range params {
				p.pause(9 * time.Second)
				p.send("[" + confirmed(param) + "]")
			}
			p.wait()
		})})
		if got, err := c.Subscribe(t.Context(), params, noData(t)); err != nil || len(got.Confirmed) != 4 {
			t.Errorf("got %+v and %v, want all confirmed", got, err)
		}
	})
}

// Data does not make up for an answer, and a flood of it does not put the deadline off.
func TestSubscribeDeliversDataInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, nil, func(p *peer) {
			p.greet()
			p.receive()
			p.send("["+bar+"]", "["+confirmed("A.X")+","+bar+"]", "["+confirmed("A.Y")+"]")
			for i := 0; ; i++ {
				p.send(fmt.Sprintf("[%d]", i))
				p.pause(time.Second)
			}
		})})
		began := time.Now()
		var delivered []string
		got, err := c.Subscribe(t.Context(), []string{"A.X", "A.Y", "A.Z"}, func(frame []byte) { delivered = append(delivered, string(frame)) })
		if err != nil || !slices.Equal(got.Silent, []string{"A.Z"}) {
			t.Errorf("got %+v and %v, want A.Z silent", got, err)
		}
		if waited := time.Since(began); waited != answerTimeout {
			t.Errorf("waited for %s, want %s", waited, answerTimeout)
		}
		for i := 0; ; i++ { // every frame is either delivered or read, once
			if len(delivered) > i+2 {
				if want := fmt.Sprintf("[%d]", i); delivered[i+2] != want {
					t.Fatalf("delivered %s, want %s", delivered[i+2], want)
				}
				continue
			}
			if got, want := read(t, c), fmt.Sprintf("[%d]", i); got != want {
				t.Fatalf("read %s, want %s", got, want)
			}
			break
		}
		if want := []string{"[" + bar + "]", "[" + confirmed("A.X") + "," + bar + "]"}; !slices.Equal(delivered[:2], want) {
			t.Errorf("delivered %q, want %q", delivered[:2], want)
		}
	})
}

func TestSubscribeSendsSmallChunks(t *testing.T) {
	var params []string
	for i := range 450 {
		params = append(params, fmt.Sprintf("A.O:SPY251219C%08d", i), "A.*") // repetitions are sent once
	}
	var chunks [][]string
	c := dial(t, serve(t, func(p *peer) {
		p.greet()
		for {
			sent := p.expect("subscribe")
			if len(sent) > chunkBytes {
				t.Errorf("got %d bytes of parameters, want %d at most", len(sent), chunkBytes)
			}
			chunk := strings.Split(sent, ",")
			chunks = append(chunks, chunk)
			for _, param := range chunk {
				p.send("[" + confirmed(param) + "]")
			}
		}
	}), DialOptions{})
	got, err := c.Subscribe(t.Context(), params, noData(t))
	if err != nil || len(got.Confirmed) != 451 {
		t.Fatalf("got %d confirmed and %v, want 451", len(got.Confirmed), err)
	}
	// What is held already is not asked for: the feed would not answer.
	if got, err := c.Subscribe(t.Context(), params[:4], noData(t)); err != nil || len(got.Confirmed) != 3 {
		t.Errorf("got %+v and %v, want 3 confirmed", got, err)
	}
	c.Close()
	if sent := slices.Concat(chunks...); len(sent) != 451 || len(chunks) < 3 {
		t.Errorf("got %d parameters in %d chunks, want 451 in some", len(sent), len(chunks))
	}
	for _, chunk := range chunks {
		if len(chunk) > chunkParams {
			t.Errorf("got %d parameters in a chunk, want %d at most", len(chunk), chunkParams)
		}
	}
}

func TestNextChunk(t *testing.T) {
	for _, tt := range []struct {
		name   string
		params []string
		want   int
	}{
		{"many short ones", slices.Repeat([]string{"A.X"}, 450), chunkParams},
		{"few long ones", slices.Repeat([]string{strings.Repeat("X", 1000)}, 450), 4},
		{"one that is too long", []string{strings.Repeat("X", chunkBytes+1), "A.X"}, 1},
		{"the last ones", []string{"A.X", "A.Y"}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chunk, rest := nextChunk(tt.params)
			if len(chunk) != tt.want || len(chunk)+len(rest) != len(tt.params) {
				t.Errorf("got %d parameters and %d left, want %d of %d", len(chunk), len(rest), tt.want, len(tt.params))
			}
		})
	}
}

func TestSubscribeEndsWithTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script func(*peer)
		want   error
	}{
		{"evicted after confirmation", func(p *peer) { p.receive(); p.send("[" + confirmed("A.*") + "," + evicted + "]"); p.drop() }, ErrMaxConnections},
		{"evicted instead", func(p *peer) { p.receive(); p.send("[" + evicted + "]"); p.drop() }, ErrMaxConnections},
		{"closed with 1008", func(p *peer) { p.receive(); p.ws.Close(websocket.StatusPolicyViolation, "") }, ErrMaxConnections},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, serve(t, func(p *peer) { p.greet(); tt.script(p) }), DialOptions{})
			for range 2 { // a later call says the same
				if a, err := c.Subscribe(t.Context(), []string{"A.*", "T.*"}, noData(t)); !errors.Is(err, tt.want) {
					t.Errorf("got %+v and %v, want %v", a, err, tt.want)
				}
			}
		})
	}
}
