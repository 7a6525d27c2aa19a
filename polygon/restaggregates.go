package polygon

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"
)

// Timespan is the length of a bar's window, in REST's words.
type Timespan string

const (
	TimespanSecond Timespan = "second"
	TimespanMinute Timespan = "minute"
)

// Timespan returns the length of window that the kind's bars have; "" if it has none.
func (k Kind) Timespan() Timespan {
	switch k {
	case KindAgg:
		return TimespanSecond
	case KindAgg1m:
		return TimespanMinute
	}
	return ""
}

// maxIdlePages is how many pages in a row may bring nothing new before a server is believed to lead in circles.
const maxIdlePages = 10

var (
	errOrder = errors.New("bars are not in order")
	errIdle  = errors.New("pages do not end")
)

// BarPage is one answer to Aggregates.
type BarPage struct {
	Bars    []RESTBar // in order, each window once. They keep the whole answer in memory
	Delayed bool      // the plan's data is delayed, so the newest bars are left out
	Skipped int       // elements of the answer that are no bars
}

// Aggregates asks for the bars of a ticker, as REST writes it (see Market.RESTTicker), whose windows start from
// from to to, both included, in milliseconds. Bars are not adjusted for splits, as the feed's are not.
//
// Each page is one request, of up to 50,000 bars, made when the loop comes to it. A window without trades has no
// bar, and a fresh one may not be there yet: nothing tells the two apart. An error is the last thing that comes;
// the pages before it are good, and the rest can be asked for from behind their last bar.
func (r *REST) Aggregates(ctx context.Context, ticker string, span Timespan, from, to time.Time) iter.Seq2[BarPage, error] {
	return func(yield func(BarPage, error) bool) {
		p := pager{rest: r, ticker: ticker, span: span, from: from.UnixMilli(), to: to.UnixMilli()}
		p.last = p.from - 1
		for more := p.from <= p.to; more; {
			page, err := p.page(ctx)
			if err != nil {
				yield(BarPage{}, fmt.Errorf("aggregates of %s: %w", ticker, err))
				return
			}
			more = p.link != nil
			if !yield(page, nil) {
				return
			}
		}
	}
}

// pager is one call of Aggregates.
type pager struct {
	rest     *REST
	ticker   string
	span     Timespan
	from, to int64 // Unix ms, both included

	link *url.URL // of the next page; nil before the first and behind the last
	last int64    // window start of the last bar that came, Unix ms
	idle int      // pages in a row that brought nothing new
}

// page asks for the next page and finds the link to the one behind it.
func (p *pager) page(ctx context.Context) (BarPage, error) {
	if p.link == nil {
		var err error
		if p.link, err = p.ask(p.from); err != nil {
			return BarPage{}, err
		}
	}
	a, err := p.rest.get(ctx, p.link)
	if err != nil {
		return BarPage{}, err
	}
	before := p.last
	page, err := p.read(a)
	if err != nil {
		return BarPage{}, err
	}
	p.idle++
	if p.last > before {
		p.idle = 0
	}
	if a.nextURL != "" && p.idle == maxIdlePages {
		return BarPage{}, errIdle
	}
	p.link, err = p.follow(a.nextURL)
	return page, err
}

// ask returns the URL of a first page from that time on.
func (p *pager) ask(from int64) (*url.URL, error) {
	if strings.Trim(p.ticker, ".") == "" { // what is all dots would be a step in the path
		return nil, fmt.Errorf("%q is no ticker", p.ticker)
	}
	path := fmt.Sprintf("/v2/aggs/ticker/%s/range/1/%s/%d/%d", url.PathEscape(p.ticker), p.span, from, p.to)
	return p.rest.url(path, "adjusted=false&sort=asc&limit=50000")
}

// read takes the bars from an answer.
func (p *pager) read(a restAnswer) (BarPage, error) {
	if a.ticker != "" && a.ticker != p.ticker {
		return BarPage{}, fmt.Errorf("answer is about %.40q", a.ticker)
	}
	if a.bars == nil && a.count > 0 {
		return BarPage{}, fmt.Errorf("answer has none of its %d bars", a.count)
	}
	page := BarPage{Delayed: a.delayed()}
	for raw := range elements(a.bars) {
		start, ok := parseInteger(Event{Raw: raw}.Field("t"))
		switch {
		case !ok:
			page.Skipped++
		case start < p.from, start > p.to, start == p.last: // the vendor may round, and a page may begin with the last bar of the one before
		case start < p.last:
			return BarPage{}, errOrder
		default:
			p.last = start
			page.Bars = append(page.Bars, RESTBar{start, raw})
		}
	}
	return page, nil
}

// follow returns the URL behind a page's link; nil when there is none. A link is followed as it is on the base URL's
// origin. The key goes to no other, so there what is behind the last bar is asked for anew.
func (p *pager) follow(link string) (*url.URL, error) {
	if link == "" {
		return nil, nil
	}
	u, err := p.rest.base.Parse(link)
	switch {
	case err == nil && sameOrigin(u, p.rest.base):
		u.User = nil
		return u, nil
	case p.last == p.to:
		return nil, nil
	case p.idle > 0:
		return nil, errors.New("link to the next page leads to another host")
	}
	return p.ask(p.last + 1)
}

// sameOrigin reports whether two URLs have scheme, host and port in common.
func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		switch {
		case u.Port() != "":
			return u.Port()
		case u.Scheme == "https":
			return "443"
		}
		return "80"
	}
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}
