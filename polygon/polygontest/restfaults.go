package polygontest

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
)

// RESTFault is an answer to a request that is no data. Give it to [Server.NextREST], or to a plan that never has
// anything else, in [REST]. The zero value is no fault. A RESTFault is a plain value, as a [Fault] is.
type RESTFault struct {
	kind       restKind
	statusCode int
	status     string // the vendor's word
	text       string // the vendor's words
	retryAfter string // header; "" for none
}

type restKind string

const (
	restRefuse restKind = "refuse"
	restHTML   restKind = "html"
	restCut    restKind = "cut"
	restSilent restKind = "silent"
)

// RESTUnknownKey refuses the key.
func RESTUnknownKey() RESTFault { return refusal(http.StatusUnauthorized, "ERROR", "Unknown API Key") }

// restNoKey is the answer to a request without a key.
func restNoKey() RESTFault {
	return refusal(http.StatusUnauthorized, "ERROR", "API Key was not provided")
}

// RESTNotEntitled says that the plan does not have what was asked for.
func RESTNotEntitled() RESTFault {
	return refusal(http.StatusForbidden, "NOT_AUTHORIZED",
		"You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing")
}

// RESTNoTimeframe says that the plan does not have the time that was asked for.
func RESTNoTimeframe() RESTFault {
	return refusal(http.StatusForbidden, "NOT_AUTHORIZED",
		"Your plan doesn't include this data timeframe. Please upgrade your plan at https://massive.com/pricing")
}

// RESTTooEarly says that a plan of end-of-day data does not have today's yet.
func RESTTooEarly() RESTFault {
	return refusal(http.StatusForbidden, "NOT_AUTHORIZED",
		"Attempted to request today's data before end of day. Please upgrade your plan at https://massive.com/pricing")
}

// RESTNotFound says that there is no such thing.
func RESTNotFound() RESTFault { return refusal(http.StatusNotFound, "NOT_FOUND", "Data not found.") }

// restBadRequest is the answer to a request that makes no sense.
func restBadRequest(text string) RESTFault { return refusal(http.StatusBadRequest, "ERROR", text) }

// RESTTooMany says that there were too many requests, with a Retry-After header unless it is "". Seconds and dates
// are both valid.
func RESTTooMany(retryAfter string) RESTFault {
	f := refusal(http.StatusTooManyRequests, "ERROR",
		"You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. https://polygon.io/pricing")
	f.retryAfter = retryAfter
	return f
}

// RESTBroken answers with an HTTP status and a page of HTML, as something before the vendor's servers does: a proxy with 502, a
// firewall with 403.
func RESTBroken(statusCode int) RESTFault { return RESTFault{kind: restHTML, statusCode: statusCode} }

// RESTCut sends half of the answer and ends the connection.
func RESTCut() RESTFault { return RESTFault{kind: restCut} }

// RESTSilent never answers.
func RESTSilent() RESTFault { return RESTFault{kind: restSilent} }

func refusal(statusCode int, status, text string) RESTFault {
	return RESTFault{kind: restRefuse, statusCode: statusCode, status: status, text: text}
}

// String describes the fault for test output.
func (f RESTFault) String() string {
	switch {
	case f.kind == "":
		return "no fault"
	case f.retryAfter != "":
		return fmt.Sprintf("%s with %d, retry after %s", f.kind, f.statusCode, f.retryAfter)
	case f.statusCode != 0:
		return fmt.Sprintf("%s with %d", f.kind, f.statusCode)
	}
	return string(f.kind)
}

// NextREST adds requests to the script of the REST side: the first fault is for the next request, the second for the
// one after it, and so on. The zero RESTFault lets a request pass. Requests after the script's end have no faults.
func (s *Server) NextREST(faults ...RESTFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restScript = append(s.restScript, faults...)
}

// inject lets a fault happen to a request.
func (s *Server) inject(w http.ResponseWriter, r *http.Request, f RESTFault) {
	switch f.kind {
	case restRefuse:
		s.refuse(w, f)
		return
	case restHTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(f.statusCode)
		fmt.Fprintf(w, "<html><head><title>%d %s</title></head><body><hr><center>nginx</center></body></html>\n",
			f.statusCode, http.StatusText(f.statusCode))
	case restCut:
		whole := answerBuffer{ResponseWriter: w}
		s.restMux.ServeHTTP(&whole, r)
		w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()))
		w.Write(whole.body.Next(whole.body.Len() / 2))
		http.NewResponseController(w).Flush() // else the client sees no answer at all, and may ask again by itself
		s.countRefused()
		panic(http.ErrAbortHandler) // ends the connection and is not logged
	case restSilent:
		s.countRefused()
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	}
	s.countRefused()
}

// answerBuffer holds an answer back.
type answerBuffer struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (b *answerBuffer) Write(p []byte) (int, error) { return b.body.Write(p) }
func (b *answerBuffer) WriteHeader(int)             {}

// refuse answers with a refusal. Its text is called error where the status is ERROR, message elsewhere.
func (s *Server) refuse(w http.ResponseWriter, f RESTFault) {
	s.countRefused()
	if f.retryAfter != "" {
		w.Header().Set("Retry-After", f.retryAfter)
	}
	said := map[string]string{"status": f.status, "request_id": w.Header().Get("X-Request-Id")}
	if f.status == "ERROR" {
		said["error"] = f.text
	} else {
		said["message"] = f.text
	}
	answer(w, f.statusCode, said)
}

func (s *Server) countRefused() { s.update(func(st *Stats) { st.RESTRefused++ }) }
