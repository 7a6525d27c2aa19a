package bridge

import (
	"bytes"
	"strconv"
	"strings"

	"bridge/polygon"

	"github.com/cespare/xxhash/v2"
)

// Headers of the messages in the stream, beside Nats-Msg-Id.
const (
	headerRevision = "Bridge-Revision" // "true" on a bar that is not newer than the newest of its symbol
	headerRead     = "Bridge-Read"     // when it was read, by the server's clock: on what one of two bridges could not store before its turn ended
	headerSource   = "Bridge-Source"   // "rest" on a bar that the feed did not send, and REST had
	headerReason   = "Bridge-Reason"   // dead letters: why the event could not be published
	headerLength   = "Bridge-Length"   // dead letters that were cut: the full length in bytes
	headerDigest   = "Bridge-Digest"   // dead letters that were cut: XXH64 of the full bytes, in hex
)

// maxSymbol is the longest symbol that becomes part of a subject. The longest of the feed, an
// option, has 23 bytes.
const maxSymbol = 64

// appendSubject appends <market>.<kind>.<symbol> to dst. The symbol must be routable.
func appendSubject(dst []byte, m polygon.Market, k polygon.Kind, symbol []byte) []byte {
	dst = append(dst, m...)
	dst = append(dst, '.')
	dst = append(dst, k...)
	dst = append(dst, '.')
	return append(dst, symbol...)
}

// kindOf returns the kind in a subject of the market.
func kindOf(m polygon.Market, subject string) polygon.Kind {
	kind, _, _ := strings.Cut(strings.TrimPrefix(subject, string(m)+"."), ".")
	return polygon.Kind(kind)
}

// deadSubject is where events go that cannot be published.
func deadSubject(m polygon.Market) string { return string(m) + ".dead" }

// routable reports whether a symbol may stand in a subject as it is. A symbol comes from outside: a
// space or a line break in it would be read by the server as part of a command, a wildcard would
// match what it must not, and an empty token is refused. The tickers of every market fit.
func routable(symbol []byte) bool {
	if len(symbol) == 0 || len(symbol) > maxSymbol {
		return false
	}
	afterDot := true // a dot at either end or two in a row make an empty token
	for _, c := range symbol {
		if c == '.' {
			if afterDot {
				return false
			}
			afterDot = true
			continue
		}
		if !tickerByte[c] {
			return false
		}
		afterDot = false
	}
	return !afterDot
}

// tickerByte has the bytes of which tickers are made, dots aside: BRK.B, BCpC, O:SPY251219C00650000,
// I:SPX, EUR/USD, X:BTC-USD, ESU5.
var tickerByte = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:/-_+=" {
		t[c] = true
	}
	return t
}()

// digest is the 64-bit XXH64 of an event's bytes: what tells two versions of a bar apart.
func digest(raw []byte) uint64 { return xxhash.Sum64(raw) }

// appendID appends the Nats-Msg-Id of an event: what the event is, then a digest of its bytes, as in
// A.AAPL.1754055000000.9f86d081884c7d65. It depends on nothing but the event, so sending twice is harmless.
func appendID(dst []byte, e *polygon.Event, digest uint64) []byte {
	dst = append(dst, e.Type...)
	dst = append(dst, '.')
	dst = append(dst, e.Symbol...)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, e.Time, 10)
	for _, name := range e.Channel.Identity {
		if v := e.Field(name); plain(v) {
			dst = append(dst, '.')
			dst = append(dst, v...)
		}
	}
	dst = append(dst, '.')
	return appendHex(dst, digest)
}

// barKey cuts the digest from a bar's message id: what is left is the same for all its versions.
func barKey(id []byte) []byte { return id[:max(0, bytes.LastIndexByte(id, '.'))] }

// windowStart returns the start of the window of the bar with that message id, in Unix ms.
func windowStart(id string) (start int64, ok bool) {
	parts := strings.Split(id, ".") // ev, the symbol's parts, window start, digest
	if len(parts) < 4 {
		return 0, false
	}
	start, err := strconv.ParseInt(parts[len(parts)-2], 10, 64)
	return start, err == nil
}

// appendDeadID appends the Nats-Msg-Id of a dead letter.
func appendDeadID(dst []byte, digest uint64) []byte {
	return appendHex(append(dst, "dead."...), digest)
}

// plain reports whether a raw JSON value may stand in a message id. What may not is left to the digest.
func plain(v []byte) bool {
	if len(v) == 0 || len(v) > 32 {
		return false
	}
	for _, c := range v {
		if !tickerByte[c] && c != '.' {
			return false
		}
	}
	return true
}

// appendHex appends v as 16 hexadecimal digits.
func appendHex(dst []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[v>>shift&15])
	}
	return dst
}
