package polygontest

import "strings"

// MaxSymbols is about how many tickers trade in the US.
const MaxSymbols = 12_000

// known are real tickers of every shape: class shares with a dot, preferred shares with a lowercase p, pairs
// that differ in case alone, and the exchanges' test symbols.
var known = []string{
	"AAPL", "MSFT", "NVDA", "AMZN", "BRK.B", "GOOGL", "TSLA", "SPY", "QQQ", "F",
	"BRK.A", "BCpC", "AMpB", "AMPB", "TPC", "TpC", "ABRpD", "T", "GE", "NTEST.Q",
	"ZVZZT", "META", "AMD", "JPM", "XOM", "BF.B", "HEI.A", "V", "C", "KO",
}

// suffixes follow the conventions of the consolidated tape: classes, warrants, units, rights, when issued,
// preferred. Most tickers have none.
var suffixes = []string{"", "", "", "", "", "", "", "", ".A", ".B", ".WS", ".WS.A", ".U", "pA", "pB", "r", "w"}

// Symbols returns n tickers, always the same ones in the same order, from 1 to MaxSymbols of them.
func Symbols(n int) []string {
	n = max(1, min(n, MaxSymbols))
	symbols := make([]string, 0, n)
	taken := make(map[string]bool, n)
	add := func(symbol string) {
		if len(symbols) < n && !taken[symbol] {
			taken[symbol] = true
			symbols = append(symbols, symbol)
		}
	}
	for _, symbol := range known {
		add(symbol)
	}
	for i := 0; len(symbols) < n; i++ {
		// A step that is prime to the number of roots visits each of them, far from its neighbours.
		const roots, step = 26 * 26 * 26, 7919
		add(root(i*step%roots) + suffixes[i%len(suffixes)])
	}
	return symbols
}

// root spells a number in letters: three of them, or four for every other number.
func root(n int) string {
	var b strings.Builder
	for i := n; b.Len() < 3; i /= 26 {
		b.WriteByte(byte('A' + i%26))
	}
	if n%2 == 1 {
		b.WriteByte(byte('A' + n%23))
	}
	return b.String()
}
