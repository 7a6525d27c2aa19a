package polygon

import "strings"

// pairSeparators are what the feed, and parts of it, write between the two halves of a pair.
var pairSeparators = strings.NewReplacer("/", "", "-", "")

// RESTTicker returns what the REST side calls the symbol of the feed: EUR/USD is C:EURUSD there, BTC-USD is X:BTCUSD, and
// other symbols are the same. It returns "" for a market whose bars REST does not serve: futures have
// endpoints of their own.
func (m Market) RESTTicker(symbol string) string {
	switch m {
	case Forex:
		return "C:" + pairSeparators.Replace(strings.TrimPrefix(symbol, "C:"))
	case Crypto:
		return "X:" + pairSeparators.Replace(strings.TrimPrefix(symbol, "X:"))
	case Stocks, Options, Indices:
		return symbol
	}
	return ""
}
