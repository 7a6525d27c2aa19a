package polygon

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What a refusal of the REST side means; a key that is refused is ErrAuth there too. Test with errors.Is; a
// *RESTError in the chain has the vendor's own words.
var (
	ErrPlan     = errors.New("plan does not include this data")
	ErrPlanTime = fmt.Errorf("plan does not include data of this time: %w", ErrPlan) // too new for it, or too old
)

// RESTError is an answer that is no data.
type RESTError struct {
	StatusCode int    // of HTTP
	Status     string // the vendor's word, such as NOT_AUTHORIZED; "" when the answer is not in its form
	Message    string // the vendor's words; "" when it has none
	RequestID  string // what the vendor's support asks for
}

func (e *RESTError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP status %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if err := e.Unwrap(); err != nil {
		fmt.Fprintf(&b, ": %v", err)
	}
	for _, said := range []string{e.Status, e.Message} {
		if said != "" {
			fmt.Fprintf(&b, ": %q", said)
		}
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request %q)", e.RequestID)
	}
	return b.String()
}

// FromVendor reports whether the answer is in the vendor's form, which always has words. One that is not is of something on the
// way, such as a firewall or a proxy, and tells nothing of the key, the plan or the ticker.
func (e *RESTError) FromVendor() bool { return e.Status != "" || e.Message != "" }

// restMeanings says what an answer means, by its HTTP status and a part of its message; the first that fits
// counts. The messages differ in wording from endpoint to endpoint, but not in these parts.
var restMeanings = []struct {
	statusCode int
	message    string // in lower case
	err        error
}{
	{http.StatusUnauthorized, "", ErrAuth},
	{http.StatusForbidden, "timeframe", ErrPlanTime},
	{http.StatusForbidden, "before end of day", ErrPlanTime},
	{http.StatusForbidden, "", ErrPlan},
}

// Unwrap returns the sentinel that the answer stands for, nil if there is none.
func (e *RESTError) Unwrap() error {
	if !e.FromVendor() {
		return nil
	}
	message := strings.ToLower(e.Message)
	for _, m := range restMeanings {
		if e.StatusCode == m.statusCode && strings.Contains(message, m.message) {
			return m.err
		}
	}
	if e.Status == "NOT_AUTHORIZED" {
		return ErrPlan
	}
	return nil
}

// RateLimitError is a 429: too many requests with this key. The REST that returned it holds its next request
// back by itself, so asking again at once is harmless.
type RateLimitError struct {
	RetryAfter time.Duration // as the vendor said, an hour at most; 0 when it did not
	Err        *RESTError
}

func (e *RateLimitError) Error() string {
	if e.RetryAfter == 0 {
		return fmt.Sprintf("too many requests: %v", e.Err)
	}
	return fmt.Sprintf("too many requests, next one in %s: %v", e.RetryAfter, e.Err)
}

func (e *RateLimitError) Unwrap() error { return e.Err }

// maxRetryAfter cuts waits that are more likely a mistake than meant.
const maxRetryAfter = time.Hour

// retryAfter reads the header of that name: seconds, or a date. What is neither counts as absent.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(0, min(date.Sub(now), maxRetryAfter))
	}
	return 0
}
