package polygon

// Event is one element of a frame. Its slices point into the frame (or, for a type or symbol with
// JSON escapes, to a copy) and are valid as long as the frame is.
type Event struct {
	Channel *Channel // nil for a status and for most faults
	Type    []byte   // value of "ev"
	Symbol  []byte   // value of the channel's symbol field, unescaped
	Time    int64    // value of the channel's time field, in Channel.TimeUnit; 0 when absent
	Raw     []byte   // the event as sent, from its opening to its closing brace
	Status  bool     // a status object, for ParseStatus
	Fault   Fault    // why this is no event; "" if it is one
}

// Fault says what is wrong with an element of a frame. The values are a closed set, fit for a metric label.
type Fault string

const (
	FaultMalformed    Fault = "malformed"     // no valid JSON object; Raw is the damaged part
	FaultNotObject    Fault = "not_object"    // valid JSON, but no object
	FaultNoType       Fault = "no_type"       // no "ev", or it is no string
	FaultUnknownType  Fault = "unknown_type"  // an "ev" that the market does not have
	FaultNoSymbol     Fault = "no_symbol"     // the channel's symbol field is absent, empty or no string
	FaultNoTime       Fault = "no_time"       // an aggregate without an integer window start
	FaultDuplicateKey Fault = "duplicate_key" // a field that routing depends on is there twice
)

// Field returns the raw JSON value of a top-level member of the event, nil if it has none. Of several
// members with the name it returns the first. It reads Raw up to the member each time and does not allocate.
func (e Event) Field(name string) []byte {
	b := e.Raw
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return nil
	}
	i = skipSpace(b, i+1)
	for i < len(b) && b[i] == '"' {
		keyEnd, escaped := scanString(b, i)
		if keyEnd < 0 {
			return nil
		}
		key := b[i+1 : keyEnd-1]
		start := scanColon(b, keyEnd)
		end := scanValue(b, start, 1)
		if end < 0 {
			return nil
		}
		if string(key) == name || escaped && string(unescape(b[i:keyEnd])) == name {
			return b[start:end]
		}
		i = skipSpace(b, end)
		if i == len(b) || b[i] != ',' {
			return nil
		}
		i = skipSpace(b, i+1)
	}
	return nil
}
