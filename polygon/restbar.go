package polygon

import (
	"encoding/json"
	"strconv"
)

// RESTBar is a bar as REST sends it. It has no symbol, no end of its window and nothing about the day (no av, a, op, z,
// dv, dav), but a number of trades, and its volume may have a fraction. It holds late trades that came in until
// it was asked for.
type RESTBar struct {
	StartMs int64  // window start, Unix ms
	Raw     []byte // the bar's object, in the body of the answer that it came with
}

// restBarFields are what a bar from REST has in common with one of the feed, in the order in which they are written.
var restBarFields = [...]string{"v", "vw", "o", "c", "h", "l", "n", "otc"}

// Event returns the bar as an event of the channel, which is one of aggregates, for the symbol as the feed writes it. Numbers
// keep the digits that REST sent. What REST does not know is absent.
func (b RESTBar) Event(c *Channel, symbol string) []byte {
	dst := make([]byte, 0, len(b.Raw)+len(symbol)+80)
	dst = append(append(append(dst, `{"ev":"`...), c.Type...), `","`...)
	dst = appendString(append(append(dst, c.SymbolField...), `":`...), symbol)
	dst = strconv.AppendInt(append(dst, `,"s":`...), b.StartMs, 10)
	dst = strconv.AppendInt(append(dst, `,"e":`...), b.StartMs+c.Kind.Window().Milliseconds(), 10)
	raw := Event{Raw: b.Raw}
	for _, name := range restBarFields {
		if value := raw.Field(name); value != nil && string(value) != "null" {
			dst = append(append(append(dst, `,"`...), name...), `":`...)
			dst = append(dst, value...)
		}
	}
	return append(dst, '}')
}

// appendString appends a JSON string. A symbol that needs no escape keeps its bytes, whatever they are.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if !inString[s[i]] {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string always marshals
			}
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
