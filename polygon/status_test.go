package polygon

import (
	"errors"
	"fmt"
	"testing"
)

func TestStatusMeansWhatTheFeedMeant(t *testing.T) {
	const contact = "You have reached the connection limit for your account. Please contact support at https://polygon.io/contact to increase your limit."
	for _, tt := range []struct {
		status, message string
		want            error
		ends            bool
	}{
		{"connected", "Connected Successfully", nil, false},
		{"auth_success", "authenticated", nil, false},
		{"success", "subscribed to: A.AAPL", nil, false},
		{"success", "unsubscribed to: A.AAPL", nil, false},
		{"auth_failed", "authentication failed", ErrAuth, true},
		{"auth_failed", "Your plan doesn't include websocket access. Visit https://polygon.io/pricing to upgrade.", ErrNoWebSocketAccess, true},
		{"auth_timeout", "No authentication request received.", ErrAuthTimeout, true},
		{"error", "not authorized", ErrNotAuthorized, false},
		{"error", "You don't have access real-time data. If your plan only includes delayed data, you can connect to the delayed websocket at wss://delayed.polygon.io/stocks.", ErrNotEntitled, true},
		{"error", "Subscription limit reached for feed. Please remove some subscriptions and try again.", ErrSubscriptionLimit, false},
		{"max_connections", "Maximum number of connections exceeded.", ErrMaxConnections, true},
		{"max_connections", "Maximum number of websocket connections exceeded. ", ErrMaxConnections, true},
		{"max_connections", "Maximum number of websocket connections exceeded. " + contact, ErrMaxConnections, true},
		{"disconnected", "Reason: Max connections reached", ErrMaxConnections, true},
		{"disconnected", "something else", nil, false},
		{"error", "something else", nil, false},
		{"force_disconnect", "", nil, false},
		{"", "", nil, false},
	} {
		s := Status{tt.status, tt.message}
		if err, ends := s.meaning(); err != tt.want || ends != tt.ends {
			t.Errorf("%v: got %v %v, want %v %v", s, err, ends, tt.want, tt.ends)
		}
		err := s.Err()
		if tt.want == nil {
			if err != nil {
				t.Errorf("%v: got %v, want no error", s, err)
			}
			continue
		}
		var e *StatusError
		if wrapped := fmt.Errorf("session: %w", err); !errors.Is(wrapped, tt.want) || !errors.As(wrapped, &e) || e.Message != tt.message {
			t.Errorf("%v: got %v, want a StatusError that is %v", s, wrapped, tt.want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got, err := ParseStatus([]byte(`{"ev":"status","status":"success","message":"subscribed to: A.\u0041"}`))
	if want := (Status{"success", "subscribed to: A.A"}); err != nil || got != want {
		t.Errorf("got %v and %v, want %v", got, err, want)
	}
	if _, err := ParseStatus([]byte(`{"status":1}`)); err == nil {
		t.Error("a status that is a number was parsed")
	}
}
