package polygontest

import "slices"

// Plan is what the vendor sold to the holder of the key.
type Plan struct {
	// Key is the API key that is accepted; "" accepts every key.
	Key string

	// Access says how far the plan reaches; "" is FullAccess.
	Access Access

	// Channels are the channels ("A", "AM") that the plan covers; nil covers all. Others are refused
	// with "not authorized", which names nothing.
	Channels []string

	// MaxParams is the most parameters a connection may hold; 0 sets no limit. A subscribe that would
	// exceed it is refused whole, with one status for each of its parameters.
	MaxParams int

	// Connections is how many connections may be open at once. 0 is one, as most plans have; a negative
	// number sets no limit.
	Connections int

	// Limit says whose connection ends when there are too many; "" is KickOlder.
	Limit Limit

	// Eviction says how it ends; "" is Close1008.
	Eviction Eviction
}

// Access is how far a plan reaches.
type Access string

const (
	FullAccess  Access = "full"
	NoWebSocket Access = "no_websocket" // the key is good, but authentication fails: no plan for this market
	DelayedOnly Access = "delayed_only" // authenticated, then told to use the delayed feed; no data comes
	Unsigned    Access = "unsigned"     // authenticated, then told to sign agreements; no data comes
)

// Limit says which connection ends when there are more than the plan allows. Both were seen.
type Limit string

const (
	KickOlder   Limit = "kick_older"   // the oldest connection ends when a newer one authenticates
	RefuseNewer Limit = "refuse_newer" // the newer one is authenticated, subscribed, and only then told to go
)

// Eviction is how the vendor ends a connection of which there are too many. Both were seen.
type Eviction string

const (
	Close1008 Eviction = "close_1008" // close frame 1008, without a reason
	Abort     Eviction = "abort"      // TCP drop without a close frame
)

func (p Plan) covers(channel string) bool {
	return p.Channels == nil || slices.Contains(p.Channels, channel)
}

// denial is the status message that follows auth_success when the plan has no data to give.
func (p Plan) denial() string {
	switch p.Access {
	case DelayedOnly:
		return textNoRealTime
	case Unsigned:
		return textUnsigned
	}
	return ""
}

// excess is by how many connections n exceeds the plan.
func (p Plan) excess(n int) int {
	allowed := p.Connections
	switch {
	case allowed < 0:
		return 0
	case allowed == 0:
		allowed = 1
	}
	return max(0, n-allowed)
}
