package polygon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A subscribe message has no documented limit; other clients send up to 500 parameters in one.
const (
	chunkParams = 200
	chunkBytes  = 4 << 10
)

// Answer says what became of each parameter of a Subscribe. Each is in one of the lists.
//
// The feed confirms by name but refuses without one, so a refusal is known by what is left unconfirmed.
type Answer struct {
	Confirmed []string
	Refused   []string // there were as many refusals as parameters without confirmation
	Silent    []string // no answer in time: a channel the feed does not know
	Unclear   []string // refused or silent: there were fewer refusals than parameters without confirmation
	Refusals  []Status // the refusals themselves; see Status.Err for their meaning
}

// Subscribe sends params in chunks, one after the other, and waits for one answer per parameter: ten
// seconds since the last one, then the rest is Silent and the connection goes on. Parameters that are held
// already are confirmed without asking. Frames with data that arrive in between go to deliver, as they come
// and with any statuses that are in them; deliver must not keep the slice.
//
// An error is the end of the connection; the Answer then covers the chunks that were settled before.
func (c *Conn) Subscribe(ctx context.Context, params []string, deliver func(frame []byte)) (Answer, error) {
	defer c.unwatch()
	var a Answer
	var rest, chunk []string
	for _, param := range distinct(params) {
		if c.held[param] {
			a.Confirmed = append(a.Confirmed, param)
		} else {
			rest = append(rest, param)
		}
	}
	for len(rest) > 0 {
		chunk, rest = nextChunk(rest)
		if err := c.subscribe(ctx, chunk, deliver, &a); err != nil {
			return a, fmt.Errorf("subscribe: %w", err)
		}
	}
	return a, nil
}

// distinct returns params without repetitions.
func distinct(params []string) []string {
	seen := make(map[string]bool, len(params))
	var once []string
	for _, p := range params {
		if !seen[p] {
			seen[p] = true
			once = append(once, p)
		}
	}
	return once
}

// nextChunk cuts off as many parameters as one message may have, at least one.
func nextChunk(params []string) (chunk, rest []string) {
	n, size := 0, 0
	for n < len(params) && n < chunkParams {
		size += len(params[n]) + len(",")
		if n > 0 && size > chunkBytes {
			break
		}
		n++
	}
	return params[:n], params[n:]
}

// subscribe sends one chunk, collects the answers to it, and adds them to a.
func (c *Conn) subscribe(ctx context.Context, chunk []string, deliver func([]byte), a *Answer) error {
	// A write fails when the feed has closed the connection, and the reason may wait to be read.
	sendErr := c.send(ctx, "subscribe", strings.Join(chunk, ","))
	p := pending{open: make(map[string]bool, len(chunk))}
	for _, param := range chunk {
		p.open[param] = true
	}
	deadline := time.Now().Add(answerTimeout)
	for sendErr != nil || len(p.open) > len(p.refusals) {
		frame, err := c.readUntil(ctx, deadline)
		if errors.Is(err, errDeadline) {
			break
		}
		if err != nil {
			return err
		}
		answered := false
		data := c.statuses(frame, func(s Status) {
			answered = p.take(s) || answered
			c.note(s)
		})
		if data {
			deliver(frame)
		}
		if answered {
			deadline = time.Now().Add(answerTimeout)
		}
	}
	if sendErr != nil {
		return c.fail(ctx, sendErr)
	}
	p.settle(chunk, a)
	for _, param := range chunk {
		if !p.open[param] {
			c.held[param] = true
		}
	}
	return c.err
}

// pending is a chunk whose answers are being collected.
type pending struct {
	open     map[string]bool // parameters that are not confirmed
	refusals []Status
}

// take notes a status and reports whether it answers a parameter. The answers come in no order of use: the
// refusals first, then the confirmations, in one frame or in a frame each.
func (p *pending) take(s Status) bool {
	if param, ok := strings.CutPrefix(s.Message, "subscribed to: "); ok && s.Status == "success" {
		param = strings.TrimSpace(param)
		was := p.open[param]
		delete(p.open, param)
		return was
	}
	if err, _ := s.meaning(); errors.Is(err, ErrNotAuthorized) || errors.Is(err, ErrSubscriptionLimit) {
		p.refusals = append(p.refusals, s)
		return true
	}
	return false
}

// settle sorts the parameters of the chunk into the lists of a.
func (p *pending) settle(chunk []string, a *Answer) {
	left := &a.Unclear
	switch {
	case len(p.refusals) == 0:
		left = &a.Silent
	case len(p.refusals) >= len(p.open):
		left = &a.Refused
	}
	for _, param := range chunk {
		if p.open[param] {
			*left = append(*left, param)
		} else {
			a.Confirmed = append(a.Confirmed, param)
		}
	}
	a.Refusals = append(a.Refusals, p.refusals...)
}
