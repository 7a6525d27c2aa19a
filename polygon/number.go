package polygon

import (
	"encoding/json"
	"fmt"
	"time"
)

// Int is an integer that may be written as any JSON number with that value, such as 12.0 or 1.2e1.
type Int int64

func (n *Int) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	v, ok := parseInteger(b)
	if !ok {
		return fmt.Errorf("%.40s is no integer", b)
	}
	*n = Int(v)
	return nil
}

// Text is a value that may be written as a string or as a number, whose digits it keeps as they were sent.
type Text string

func (t *Text) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	if scanNumber(b, 0) != len(b) {
		return fmt.Errorf("%.40s is neither text nor number", b)
	}
	*t = Text(b)
	return nil
}

// Instant returns the time that a timestamp of the feed means. The unit is told by the size, since the
// documentation, its samples and the wire differ (milliseconds, microseconds and nanoseconds have all been seen
// in one field). It holds from the year 1973 to 5138. Zero, for an absent field, gives the zero Time.
func Instant(timestamp int64) time.Time {
	switch {
	case timestamp == 0:
		return time.Time{}
	case timestamp < 100e12:
		return time.UnixMilli(timestamp).UTC()
	case timestamp < 100e15:
		return time.UnixMicro(timestamp).UTC()
	}
	return time.Unix(0, timestamp).UTC()
}
