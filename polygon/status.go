package polygon

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Status is a status object of the feed.
type Status struct{ Status, Message string }

// What the feed says with a status, or by the way it ends a connection. Test with errors.Is; a *StatusError
// in the chain has the feed's own words.
var (
	ErrAuth              = errors.New("key refused")
	ErrNoWebSocketAccess = fmt.Errorf("plan has no websocket access to this market: %w", ErrAuth)
	ErrAuthTimeout       = errors.New("feed received no key in time")
	ErrMaxConnections    = errors.New("too many connections with this key")           // the other connection may be the one that lives
	ErrNotEntitled       = errors.New("plan has no real-time data")                   // comes after auth_success, and no data ever follows
	ErrNotAuthorized     = errors.New("channel is not in the plan")                   // the connection goes on
	ErrSubscriptionLimit = errors.New("too many subscriptions")                       // the connection goes on
	ErrSilent            = errors.New("feed is silent: no frame and no pong arrived") // this side's verdict
)

// ParseStatus decodes an event whose Status is set.
func ParseStatus(raw []byte) (Status, error) {
	var s struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return Status{}, fmt.Errorf("parse status: %w", err)
	}
	return Status{s.Status, s.Message}, nil
}

// meanings says what a status means, by its word and a part of its message; the first that fits counts.
// A status that is not here means nothing: the vocabulary is not documented, and a connection is not given up for a word.
var meanings = []struct {
	status, message string // in lower case
	err             error
	ends            bool // the feed closes the connection, or sends nothing more on it
}{
	{"auth_failed", "websocket access", ErrNoWebSocketAccess, true},
	{"auth_failed", "", ErrAuth, true},
	{"auth_timeout", "", ErrAuthTimeout, true},
	{"max_connections", "", ErrMaxConnections, true},
	{"disconnected", "max connections", ErrMaxConnections, true}, // until 2021
	{"error", "you don't have access real-time data", ErrNotEntitled, true},
	{"error", "not authorized", ErrNotAuthorized, false},
	{"error", "subscription limit reached", ErrSubscriptionLimit, false},
}

func (s Status) meaning() (err error, ends bool) {
	message := strings.ToLower(s.Message)
	for _, m := range meanings {
		if s.Status == m.status && strings.Contains(message, m.message) {
			return m.err, m.ends
		}
	}
	return nil, false
}

// Err returns a *StatusError when the status is a refusal or an end that is known, nil otherwise.
func (s Status) Err() error {
	if err, _ := s.meaning(); err == nil {
		return nil
	}
	return &StatusError{s.Status, s.Message}
}

// StatusError is a status that refuses something or ends the connection. It unwraps to one of the sentinels above.
type StatusError struct{ Status, Message string }

func (e *StatusError) Error() string {
	if err := e.Unwrap(); err != nil {
		return fmt.Sprintf("%v (the feed says %s: %q)", err, e.Status, e.Message)
	}
	return fmt.Sprintf("the feed says %s: %q", e.Status, e.Message)
}

// Unwrap returns the sentinel that the status stands for, nil if it is unknown.
func (e *StatusError) Unwrap() error {
	err, _ := Status(*e).meaning()
	return err
}
