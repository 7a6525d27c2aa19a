package polygon

import (
	"cmp"
	"iter"
)

// restAnswer is what is used of an answer's outermost object. The slices point into the body.
type restAnswer struct {
	status    string // OK, or DELAYED where the plan is; in refusals ERROR, NOT_AUTHORIZED, NOT_FOUND
	message   string // of a refusal
	requestID string
	ticker    string // of bars
	nextURL   string // of bars; "" on the last page
	count     int64  // of bars; 0 when the answer does not say
	bars      []byte // array; nil when absent, as it may be when there are none
	tickers   []byte // array; nil likewise
}

// delayed reports whether the newest data is left out for the plan's sake.
func (a *restAnswer) delayed() bool { return a.status == "DELAYED" }

// parseAnswer reads a body, which is as large as a page of bars, in one pass. It reports false when the body is no
// JSON object from end to end: a truncated one must not pass for an answer without results.
func parseAnswer(b []byte) (restAnswer, bool) {
	var a restAnswer
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return restAnswer{}, false
	}
	end := scanObject(b, i, 1)
	if end < 0 || skipSpace(b, end) != len(b) {
		return restAnswer{}, false
	}
	i = skipSpace(b, i+1)
	for b[i] == '"' {
		keyEnd, _ := scanString(b, i)
		start := scanColon(b, keyEnd)
		valueEnd := scanValue(b, start, 1)
		a.note(b[i+1:keyEnd-1], b[start:valueEnd])
		i = skipSpace(b, valueEnd)
		if b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return a, true
}

// note keeps the member's value where it is of use. A value of another type than it should have counts as absent.
func (a *restAnswer) note(key, value []byte) {
	switch string(key) {
	case "status":
		a.status = textOf(value)
	case "error", "message": // which of them depends on the status; the other is absent or null
		a.message = cmp.Or(textOf(value), a.message)
	case "request_id":
		a.requestID = textOf(value)
	case "ticker":
		a.ticker = textOf(value)
	case "next_url":
		a.nextURL = textOf(value)
	case "resultsCount":
		a.count, _ = parseInteger(value)
	case "results":
		a.bars = arrayOf(value)
	case "tickers":
		a.tickers = arrayOf(value)
	}
}

// textOf returns the value of a JSON string, "" for anything else.
func textOf(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	return string(unescape(value))
}

// arrayOf returns the value if it is an array, nil otherwise.
func arrayOf(value []byte) []byte {
	if len(value) == 0 || value[0] != '[' {
		return nil
	}
	return value
}

// elements yields the elements of an array that is known to be valid; none for nil.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(array) == 0 {
			return
		}
		for i := skipSpace(array, 1); array[i] != ']'; {
			end := scanValue(array, i, 0)
			if !yield(array[i:end:end]) {
				return
			}
			i = skipSpace(array, end)
			if array[i] == ',' {
				i = skipSpace(array, i+1)
			}
		}
	}
}
