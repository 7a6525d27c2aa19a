package polygon

// The types below are views of the other events, for json.Unmarshal. They take numbers in any form.
// A field that a market or an event lacks is zero. Timestamps are as sent: see Instant.

// Trade is a T of stocks, options and futures.
type Trade struct {
	Type            string  `json:"ev"`
	Symbol          string  `json:"sym"`
	Exchange        Int     `json:"x"`
	ID              Text    `json:"i"` // unique per exchange (and TRF); options have none
	Tape            Int     `json:"z"` // 1 NYSE, 2 AMEX, 3 Nasdaq
	Price           float64 `json:"p"`
	Size            float64 `json:"s"`  // a number of shares, not a time; cut to whole shares
	ExactSize       Text    `json:"ds"` // size as an exact decimal
	Conditions      []Int   `json:"c"`
	Time            Int     `json:"t"`
	ParticipantTime Int     `json:"pt"`   // when the exchange had it
	Sequence        Int     `json:"q"`    // grows per ticker, with holes; two trades of one number have been seen
	TRF             Int     `json:"trfi"` // trade reporting facility
	TRFTime         Int     `json:"trft"`
}

// Quote is a Q of stocks, options and futures.
type Quote struct {
	Type        string  `json:"ev"`
	Symbol      string  `json:"sym"`
	BidExchange Int     `json:"bx"`
	Bid         float64 `json:"bp"`
	BidSize     float64 `json:"bs"`
	BidTime     Int     `json:"bt"` // futures
	AskExchange Int     `json:"ax"`
	Ask         float64 `json:"ap"`
	AskSize     float64 `json:"as"`
	AskTime     Int     `json:"at"` // futures
	Condition   Int     `json:"c"`
	Indicators  []Int   `json:"i"`
	Time        Int     `json:"t"`
	Sequence    Int     `json:"q"`
	Tape        Int     `json:"z"`
}

// LULD is the band of prices in which a stock may trade (limit up, limit down).
type LULD struct {
	Type       string  `json:"ev"`
	Symbol     string  `json:"T"`
	High       float64 `json:"h"`
	Low        float64 `json:"l"`
	Indicators []Int   `json:"i"`
	Tape       Int     `json:"z"`
	Time       Int     `json:"t"` // nanoseconds, though documented as milliseconds
	Sequence   Int     `json:"q"`
}

// Imbalance is an NOI: the net order imbalance before an auction.
type Imbalance struct {
	Type      string  `json:"ev"`
	Symbol    string  `json:"T"`
	Time      Int     `json:"t"`  // nanoseconds
	AuctionAt Int     `json:"at"` // HHMM, Eastern time
	Auction   string  `json:"a"`  // O opening, M opening of the core session, H halt, C closing, P extreme closing, R regulatory closing
	Sequence  Int     `json:"i"`
	Exchange  Int     `json:"x"`
	Imbalance float64 `json:"o"`
	Paired    float64 `json:"p"` // a quantity, not a price
	Clearing  float64 `json:"b"` // price at which the book would clear
}

// FairValue is an FMV: the vendor's estimate of a fair price.
type FairValue struct {
	Type   string  `json:"ev"`
	Symbol string  `json:"sym"`
	Value  float64 `json:"fmv"`
	Time   Int     `json:"t"` // nanoseconds, though a sample has milliseconds
}

// Value is an LV of the launchpad, or a V of indices, whose symbol is in Index.
type Value struct {
	Type   string  `json:"ev"`
	Symbol string  `json:"sym"`
	Index  string  `json:"T"` // I:SPX
	Value  float64 `json:"val"`
	Time   Int     `json:"t"`
}

// ForexQuote is a C.
type ForexQuote struct {
	Type     string  `json:"ev"`
	Pair     string  `json:"p"` // EUR/USD
	Exchange Int     `json:"x"`
	Ask      float64 `json:"a"`
	Bid      float64 `json:"b"`
	Time     Int     `json:"t"`
}

// CryptoTrade is an XT.
type CryptoTrade struct {
	Type       string  `json:"ev"`
	Pair       string  `json:"pair"` // BTC-USD
	Price      float64 `json:"p"`
	Size       float64 `json:"s"` // not a time
	Conditions []Int   `json:"c"` // 1 seller's side, 2 buyer's side
	ID         Text    `json:"i"` // sent as a number or as a string
	Exchange   Int     `json:"x"`
	Time       Int     `json:"t"`
	Received   Int     `json:"r"` // by the vendor
}

// CryptoQuote is an XQ.
type CryptoQuote struct {
	Type     string  `json:"ev"`
	Pair     string  `json:"pair"`
	Bid      float64 `json:"bp"`
	BidSize  float64 `json:"bs"`
	Ask      float64 `json:"ap"`
	AskSize  float64 `json:"as"`
	Exchange Int     `json:"x"`
	Time     Int     `json:"t"`
	Received Int     `json:"r"`
}

// CryptoBook is an XL2. Each level is a price and a size.
type CryptoBook struct {
	Type     string       `json:"ev"`
	Pair     string       `json:"pair"`
	Bids     [][2]float64 `json:"b"`
	Asks     [][2]float64 `json:"a"`
	Exchange Int          `json:"x"`
	Time     Int          `json:"t"`
	Received Int          `json:"r"`
}
