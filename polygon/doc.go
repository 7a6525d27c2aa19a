// Package polygon is a client of Polygon.io's (now Massive's) WebSocket feed, and of its REST side as far as that
// tells what the feed does not repeat.
//
// It takes a connection through the feed's handshake, subscribes and says what became of every parameter,
// reads frames, and splits them into events, of which it knows type, symbol and time and keeps the bytes.
//
//   - market.go: the markets, and which one a URL means
//   - channels.go: the table of every channel of every market
//   - subscription.go: checks a list of subscribe parameters
//   - event.go: an element of a frame, and what may be wrong with one
//   - split.go: frame to elements, whatever the bytes; element.go: one object; scan.go: the JSON grammar;
//     integer.go: exact integers in any notation
//   - conn.go: a connection, and its end
//   - handshake.go: Dial: upgrade, greeting, key
//   - subscribe.go: parameters in chunks, and their answers
//   - read.go: frames, and the statuses in them; watch.go: contexts that end a read
//   - keepalive.go: pings, and when a feed is dead
//   - status.go: the feed's status messages, and what they mean
//   - aggregate.go, types.go, number.go: typed views of events, for consumers
//   - rest.go: one request; restanswer.go: what is read of an answer; resterror.go: refusals, and what they mean
//   - restpace.go: when requests may be sent
//   - restaggregates.go: bars, page by page; restbar.go: such a bar as an event; restticker.go: its ticker
//   - restsnapshot.go: which stocks have traded
//
// It does not reconnect or ask again, does not keep or repeat what it read, and has no queue: the feed drops a reader
// that is slow, so whoever calls Read should do little else. It logs nothing, and knows nothing of NATS.
package polygon
