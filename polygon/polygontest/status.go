package polygontest

import "encoding/json"

// The vendor's texts, word for word: clients in the field match on them.
const (
	textConnected   = "Connected Successfully"
	textAuthSuccess = "authenticated"
	textAuthFailed  = "authentication failed"
	textAuthTimeout = "No authentication request received."
	textNoWebSocket = "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade."
	textNoRealTime  = "You don't have access real-time data. If your plan only includes delayed data, you can connect to the delayed websocket at wss://delayed.polygon.io/stocks."
	textUnsigned    = textNoRealTime + " If you're already subscribed to a plan that includes real-time data, you may need to visit the dashboard to sign your agreements."
	textRefused     = "not authorized"
	textFull        = "Subscription limit reached for feed. Please remove some subscriptions and try again."

	// The long text was seen with close code 1008, the short one, which ends in a space, without any close frame.
	textEvicted1008  = "Maximum number of websocket connections exceeded. You have reached the connection limit for your account. Please contact support at https://massive.com/contact to increase your limit."
	textEvictedAbort = "Maximum number of websocket connections exceeded. "
)

// appendStatus appends one status object.
func appendStatus(dst []byte, status, message string) []byte {
	quoted, err := json.Marshal(message)
	if err != nil {
		panic(err) // a string always marshals
	}
	dst = append(dst, `{"ev":"status","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","message":`...)
	dst = append(dst, quoted...)
	return append(dst, '}')
}

// statusFrame is a frame of one status object.
func statusFrame(status, message string) []byte {
	return append(appendStatus([]byte{'['}, status, message), ']')
}
