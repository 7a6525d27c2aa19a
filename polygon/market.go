package polygon

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Market names a cluster of the feed. One socket serves one market.
type Market string

const (
	Stocks  Market = "stocks"
	Options Market = "options"
	Forex   Market = "forex"
	Crypto  Market = "crypto"
	Indices Market = "indices"
	Futures Market = "futures"
)

var markets = []Market{Stocks, Options, Forex, Crypto, Indices, Futures}

// MarketOf returns the market that a feed URL's path names: the last segment that is a market's name,
// as in /stocks, /business/stocks and /futures/cme. Its error shows nothing of the URL, which may have a key anywhere.
func MarketOf(rawURL string) (Market, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", errors.New("feed URL does not parse") // the parser's own error quotes the URL, with a key that may be in it
	}
	for _, segment := range slices.Backward(strings.Split(u.Path, "/")) {
		if m := Market(segment); slices.Contains(markets, m) {
			return m, nil
		}
	}
	return "", fmt.Errorf("path of the feed URL names no market: want one of %s, as in wss://socket.massive.com/stocks", joinMarkets())
}

func joinMarkets() string {
	names := make([]string, len(markets))
	for i, m := range markets {
		names[i] = string(m)
	}
	return strings.Join(names, ", ")
}

// Channels lists the channels of the market; nil for a market that does not exist. The slice is shared: do not change it.
func (m Market) Channels() []*Channel { return channels[m] }

// Channel returns the channel whose events have the type typ, nil if the market has none.
// A call with a converted byte slice, m.Channel(string(b)), does not allocate for any real type.
func (m Market) Channel(typ string) *Channel {
	for _, c := range channels[m] {
		if c.Type == typ {
			return c
		}
	}
	return nil
}
