// Package polygontest is the feed's vendor in a box: a WebSocket server that greets, authenticates,
// confirms, refuses, evicts and breaks off as the real one does, and that can trade a market of its own. Where
// it is wanted, the bars of that market can be asked for over REST too.
//
// It follows net/http/httptest: [NewServer] returns a running server, URL is what to dial, Close ends it.
// It needs no *testing.T, so a demo and a simulator can use it as well.
//
//	srv := polygontest.NewServer(polygontest.Config{
//		Market: polygontest.Market{Symbols: polygontest.Symbols(500), Oddities: polygontest.Typical()},
//		Events: 10_000,
//	})
//	defer srv.Close()
//	srv.NextSession(polygontest.DropAfter(3)) // the first connection ends after three frames
//	srv.NextSession(polygontest.NoPongs())    // the second never answers a ping
//	// ... run the client against srv.URL ...
//	err := srv.WaitDone(ctx) // the market has closed
//	for _, sent := range srv.Tape().Events() { ... } // the truth to compare with
//
// The tape holds what was written to the socket. When a connection dies the client may never read the
// last frames that were written to it, so what a client has of a session is a prefix of the tape's session.
//
//   - server.go: Config, Server, Start and Close, the queue of faults
//   - pipe.go: a server on net.Pipe, for bubbles of testing/synctest
//   - plan.go: what the key is entitled to, and how many connections it may have
//   - status.go: the vendor's status texts, word for word
//   - session.go: one connection, from upgrade to end
//   - subscribe.go: parameters in, answers out, who gets which event
//   - deliver.go: frames out, to whom they go and what is recorded
//   - outbox.go: the buffer of a connection that reads too slowly
//   - faults.go: what can go wrong on a connection, as named values
//   - wire.go: the connection below WebSocket, where faults happen
//   - market.go: the seeded market, second by second
//   - day.go: what a symbol has traded today
//   - oddities.go: in what ways, and how often, events differ from the plain form
//   - bar.go: one bar and how it is written
//   - symbols.go: names
//   - pace.go: when the market's events are sent
//   - tape.go: what was sent
//   - rest.go: the REST side: what it is configured to be, and who is let in
//   - restpast.go: the bars that can be asked for; restaggregates.go: by symbol; restsnapshot.go: the last of each
//   - restgiven.go: bars that a test says were made
//   - restfaults.go: refusals and breakdowns, as named values
//   - wait.go: Stats, Subscribers, and waiting for them to change
//
// The package judges nothing: it does not parse what it is given to send, and keeps no
// data that the vendor owns. All prices, volumes and times are made up.
package polygontest
