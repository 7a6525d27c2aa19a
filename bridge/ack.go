package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// refusal is JetStream's answer to a message that it did not store.
type refusal struct {
	reason    string // a metric label, from a closed set
	permanent bool   // the same message would be refused again, whenever it is sent
	err       error
}

// reasonNoResponders is why a message is refused that nobody takes: there is no stream, or its server is down.
const reasonNoResponders = "no_responders"

// reasonOvertaken is why a bar from REST is refused behind a message that its filler did not know.
const reasonOvertaken = "overtaken"

func (r *refusal) Error() string { return r.err.Error() }

// Codes of the server with which a message may be refused (nats-server, errors.json).
const (
	codeMessageTooLarge    jetstream.ErrorCode = 10054 // message size exceeds maximum allowed
	codeHeaderTooLarge     jetstream.ErrorCode = 10097 // header size exceeds maximum allowed of 64k
	codeDuplicateInProcess jetstream.ErrorCode = 10158 // proposed by an earlier send, not yet committed
	codeWrongLast          jetstream.ErrorCode = 10071 // another message is the last of the subject
	codeWrongLastUnknown   jetstream.ErrorCode = 10164 // the same in a cluster, where that one is not committed yet
	codeStoreFailed        jetstream.ErrorCode = 10077 // limits reached with discard new, or a disk error
	codeInsufficient       jetstream.ErrorCode = 10023
	codeAccountExceeded    jetstream.ErrorCode = 10002
	codeMemoryExceeded     jetstream.ErrorCode = 10028
	codeStorageExceeded    jetstream.ErrorCode = 10047
)

// ack is JetStream's answer to a message that it has.
type ack struct {
	seq       uint64
	duplicate bool
}

// errStranger is returned by parseAck for an answer that is not of the stream: some subscriber of its subjects
// answers what it receives, or acknowledges it as if it were a consumer. The stream's own answer comes beside it.
var errStranger = errors.New("not an answer of the stream")

// errUndecided is returned by parseAck when the server has the message from an earlier send, and has not stored it yet. In a cluster the
// answer may also be that of a leader that was replaced, about another message.
var errUndecided = errors.New("not decided yet")

// parseAck reads the answer to one publish. The answer of the server's plain path is
// {"stream":"STOCKS","seq":17}, for which prefix is {"stream":"STOCKS","seq": and no JSON decoder runs.
func parseAck(m *nats.Msg, prefix []byte, stream string) (ack, error) {
	if rest, ok := bytes.CutPrefix(m.Data, prefix); ok {
		if digits, ok := bytes.CutSuffix(bytes.TrimLeft(rest, " "), []byte("}")); ok {
			if seq, err := strconv.ParseUint(string(digits), 10, 64); err == nil {
				return ack{seq: seq}, nil
			}
		}
	}
	if len(m.Data) == 0 {
		if status := m.Header.Get("Status"); status == "503" {
			return ack{}, &refusal{reason: reasonNoResponders, err: nats.ErrNoResponders}
		}
	}
	var answer struct {
		Stream    string              `json:"stream"`
		Seq       uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
		Error     *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return ack{}, fmt.Errorf("%w: %w", errStranger, err)
	case answer.Error != nil && answer.Error.ErrorCode == codeDuplicateInProcess:
		return ack{}, errUndecided
	case answer.Error != nil:
		return ack{}, refused(answer.Error)
	case answer.Stream != stream, answer.Seq == 0:
		return ack{}, fmt.Errorf("%w: sequence %d of stream %q", errStranger, answer.Seq, answer.Stream)
	}
	return ack{answer.Seq, answer.Duplicate}, nil
}

// refused says what a JetStream error means for the message. What it does not know it sends again:
// servers have more errors than we can list, and nothing is lost by waiting.
func refused(err *jetstream.APIError) *refusal {
	switch err.ErrorCode {
	case codeMessageTooLarge, codeHeaderTooLarge:
		return &refusal{reason: "too_large", permanent: true, err: err}
	case codeWrongLast, codeWrongLastUnknown:
		return &refusal{reason: reasonOvertaken, err: err}
	case codeStoreFailed, codeInsufficient, codeAccountExceeded, codeMemoryExceeded, codeStorageExceeded:
		return &refusal{reason: "full", err: err}
	}
	return &refusal{reason: "other", err: err}
}
