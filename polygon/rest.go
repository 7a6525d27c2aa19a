package polygon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// restTimeout bounds one request, from its turn to the last byte of its answer.
	restTimeout = time.Minute

	// defaultRate leaves a fifth of the 100 requests a second, below which the vendor asks its customers to
	// stay, to whatever else uses the key.
	defaultRate = 80

	// maxAnswer bounds an answer, in bytes. A page of 50,000 bars has 6 MB, a snapshot of the whole market 11 MB.
	maxAnswer = 32 << 20

	// maxRefusal bounds what is read of an answer that is no data; maxMessage what is told of it.
	maxRefusal = 64 << 10
	maxMessage = 500
)

// RESTOptions of NewREST.
type RESTOptions struct {
	Key        string       // API key
	HTTPClient *http.Client // nil: http.DefaultClient. Its CheckRedirect is not used
	Rate       float64      // most requests a second; 0: 80
}

const restOptionsHidden = "polygon.RESTOptions{Key: REDACTED}"

// String keeps the key out of logs, as do GoString and LogValue.
func (RESTOptions) String() string       { return restOptionsHidden }
func (RESTOptions) GoString() string     { return restOptionsHidden }
func (RESTOptions) LogValue() slog.Value { return slog.StringValue(restOptionsHidden) }

// REST asks the vendor for what the feed no longer says. It may be used by several goroutines at once; they take turns, so
// that together they stay below the rate, and below what the vendor turns out to grant (see RateLimitError).
//
// It asks once: an error is the caller's to judge, and to ask again. A *RESTError is an answer of the vendor's, a
// *RateLimitError its refusal for now; other errors are of the network, or say what is wrong with an answer.
// No error shows the key, which is sent in a header, to the base URL's origin and nowhere else.
type REST struct {
	base   *url.URL // without a slash at its end
	key    string
	redact *strings.Replacer // takes the key out of what the vendor says
	client *http.Client
	pace   *pace
}

// NewREST returns a client of the REST side at the base URL, such as https://api.massive.com. It sends nothing yet.
func NewREST(baseURL string, opt RESTOptions) (*REST, error) {
	base, err := url.Parse(strings.TrimRight(baseURL, "/"))
	switch {
	case err != nil:
		return nil, errors.New("REST URL does not parse") // the parser's own error quotes the URL, with a password that may be in it
	case base.Scheme != "https" && base.Scheme != "http", base.Host == "":
		return nil, errors.New("REST URL is no http or https URL with a host: want one as https://api.massive.com")
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, errors.New("REST URL has a user, a query or a fragment: want one as https://api.massive.com")
	case opt.Key == "":
		return nil, fmt.Errorf("%w: it is empty", ErrAuth)
	}
	if opt.Rate <= 0 {
		opt.Rate = defaultRate
	}
	if opt.HTTPClient == nil {
		opt.HTTPClient = http.DefaultClient
	}
	client := *opt.HTTPClient
	// A redirect could lead the key to another host. The vendor has none.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &REST{base: base, key: opt.Key, redact: redactor(opt.Key), client: &client, pace: newPace(opt.Rate)}, nil
}

// String keeps the key out of logs, as does GoString.
func (r *REST) String() string   { return "polygon.REST{" + r.base.String() + "}" }
func (r *REST) GoString() string { return r.String() }

// url returns the URL of a path, whose segments are escaped, and a query below the base.
func (r *REST) url(path, query string) (*url.URL, error) {
	return url.Parse(r.base.String() + path + "?" + query)
}

// get waits for its turn, asks once, and returns an answer that is data.
func (r *REST) get(ctx context.Context, u *url.URL) (restAnswer, error) {
	if err := r.pace.wait(ctx); err != nil {
		return restAnswer{}, err
	}
	asked := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, restTimeout, fmt.Errorf("no whole answer in %s", restTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return restAnswer{}, withoutURL(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	resp, err := r.client.Do(req)
	if err != nil {
		return restAnswer{}, r.broken(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusTooManyRequests {
		e := &RateLimitError{RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now()), Err: r.refusal(resp)}
		r.pace.refused(asked, e.RetryAfter)
		return restAnswer{}, e
	}
	r.pace.granted()
	if resp.StatusCode != http.StatusOK {
		return restAnswer{}, r.refusal(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return restAnswer{}, r.broken(ctx, err)
	case len(body) > maxAnswer:
		return restAnswer{}, fmt.Errorf("answer has more than %d MiB", maxAnswer>>20)
	}
	a, ok := parseAnswer(body)
	if !ok {
		return restAnswer{}, errors.New("answer is no JSON object")
	}
	if a.status != "OK" && a.status != "DELAYED" {
		return restAnswer{}, r.restError(resp.StatusCode, a)
	}
	return a, nil
}

// refusal reads what the vendor says of an answer that is no data. The body may be HTML of something on the way.
func (r *REST) refusal(resp *http.Response) *RESTError {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // what has come will do
	a, _ := parseAnswer(body)
	e := r.restError(resp.StatusCode, a)
	if location, err := resp.Location(); err == nil && e.Message == "" {
		e.Message = fmt.Sprintf("redirected to %s://%s, which is not followed", location.Scheme, location.Host)
	}
	return e
}

func (r *REST) restError(statusCode int, a restAnswer) *RESTError {
	said := func(s string) string {
		s = r.redact.Replace(s)
		return s[:min(len(s), maxMessage)]
	}
	return &RESTError{StatusCode: statusCode, Status: said(a.status), Message: said(a.message), RequestID: said(a.requestID)}
}

// broken says why there is no answer.
func (r *REST) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return withoutURL(err)
}

// withoutURL takes off the layers that quote a URL, which may be long and may have a key in its query.
func withoutURL(err error) error {
	for urlErr := (*url.Error)(nil); errors.As(err, &urlErr); {
		err = urlErr.Err
	}
	return err
}
