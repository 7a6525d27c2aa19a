package polygon

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// maxTicker bounds a ticker in a subscription, in bytes; the longest real ones, of options, have 23.
const maxTicker = 64

// ParseSubscription splits and checks a comma separated list of CHANNEL.TICKER and CHANNEL.* for the
// market. It is strict because the feed is not: an unknown channel is answered by silence, an impossible
// ticker is confirmed and then never sent. Tickers are case-sensitive. The error joins every problem found.
func (m Market) ParseSubscription(list string) ([]string, error) {
	if strings.TrimSpace(list) == "" {
		return nil, fmt.Errorf("empty subscription: want CHANNEL.TICKER or CHANNEL.*, as in %s.*", m.exampleType())
	}
	var params []string
	var problems []error
	seen := make(map[string]bool)
	for param := range strings.SplitSeq(list, ",") {
		param = strings.TrimSpace(param)
		if seen[param] {
			if param != "" {
				problems = append(problems, fmt.Errorf("%q is there twice", param))
			}
			continue
		}
		seen[param] = true
		if err := m.checkParam(param); err != nil {
			problems = append(problems, err)
			continue
		}
		params = append(params, param)
	}
	for _, param := range params {
		// Whether the feed then sends an event twice is unknown, so do not find out.
		if typ, ticker, _ := strings.Cut(param, "."); ticker != "*" && seen[typ+".*"] {
			problems = append(problems, fmt.Errorf("%q is already part of \"%s.*\"", param, typ))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return params, nil
}

// checkParam checks one parameter. The first dot ends the channel; tickers may have dots of their own (T.BRK.B).
func (m Market) checkParam(param string) error {
	if param == "" {
		return errors.New("empty parameter between two commas, or at an end of the list")
	}
	typ, ticker, found := strings.Cut(param, ".")
	switch {
	case strings.ContainsFunc(param, isSeparator):
		return m.separatorError(param)
	case !found:
		example := "*"
		if isTicker(param) {
			example = param
		}
		return fmt.Errorf("%q has no channel: want CHANNEL.TICKER or CHANNEL.*, as in %s.%s", param, m.exampleType(), example)
	case m.Channel(typ) == nil:
		return fmt.Errorf("%q: %s has no channel %q, only %s", param, m, typ, m.typeNames())
	case ticker == "":
		return fmt.Errorf("%q has no ticker: use %s.* for all", param, typ)
	case ticker == "*":
		return nil
	case len(ticker) > maxTicker:
		return fmt.Errorf("ticker of %d bytes in \"%.20s...\": the limit is %d", len(ticker), param, maxTicker)
	case strings.Contains(ticker, "*"):
		return fmt.Errorf("%q: the feed knows no patterns: name each ticker, or use %s.* for all", param, typ)
	case !isTicker(ticker):
		return fmt.Errorf("%q: a ticker has letters, digits and, between them, the characters . : / - only", param)
	}
	return nil
}

// separatorError says what was meant by a parameter with separators in it, if that can be told.
func (m Market) separatorError(param string) error {
	parts := strings.FieldsFunc(param, isSeparator)
	typ, ticker, _ := strings.Cut(param, ".")
	if one := strings.TrimFunc(typ, isSeparator) + "." + strings.TrimFunc(ticker, isSeparator); one == strings.Join(parts, "") && m.checkParam(one) == nil {
		return fmt.Errorf("%q has a blank in it: want %q", param, one)
	}
	for _, part := range parts {
		if m.checkParam(part) != nil {
			return fmt.Errorf("%q: parameters are separated by commas and have no blanks, as in %s.AAPL,%[2]s.MSFT", param, m.exampleType())
		}
	}
	return fmt.Errorf("%q: parameters are separated by commas: want %q", param, strings.Join(parts, ","))
}

// isSeparator reports whether r is what people put between parameters in place of a comma.
func isSeparator(r rune) bool { return r == ';' || unicode.IsSpace(r) }

// isTicker reports whether s is built like a ticker of any market: AAPL, BRK.B, O:SPY251219C00650000, EUR/USD, BTC-USD.
func isTicker(s string) bool {
	for i := range len(s) {
		if isAlphanumeric(s[i]) {
			continue
		}
		inside := 0 < i && i < len(s)-1
		if !inside || !strings.ContainsRune(".:/-", rune(s[i])) || !isAlphanumeric(s[i-1]) {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func (m Market) exampleType() string {
	if all := m.Channels(); len(all) > 0 {
		return all[0].Type
	}
	return "A"
}

func (m Market) typeNames() string {
	var names []string
	for _, c := range m.Channels() {
		names = append(names, c.Type)
	}
	return strings.Join(names, ", ")
}
