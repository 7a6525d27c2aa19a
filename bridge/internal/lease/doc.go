// Package lease decides which of several processes is active. The others stand by.
//
// The lease is a key in a JetStream key-value bucket whose entries end by themselves after a time to live (TTL).
// Whoever creates the key is active, and stays so by writing it again and again, each time only if nobody
// else has. A holder that dies stops writing, the key ends, and another creates it.
//
//	time since the holder's last    0 ──────┬──────────────────────────┬──────┬────▶
//	granted request was sent                │                          │      │
//	                                   it is renewed        the holder steps  the server
//	                                    (TTL/12)             down (5/6 TTL)   removes the key (TTL)
//
// The holder counts from before its request, the server from after it, and the holder gives up a sixth of the TTL
// sooner. So its time is over before another's begins, however long it was paused and whatever was lost on the way. The
// sixth also covers servers of one cluster whose clocks differ.
//
//   - hold.go: Hold: stand by, be active, release; Options
//   - standby.go: waiting for the lease
//   - renew.go: keeping it while the active function runs
//   - lease.go: Lease: the holder's side of the time limit
//   - ask.go: one operation on the key, on a connection that is given up after an error; dial.go: how to connect
//   - bucket.go: the operations; setup.go: the bucket as it must be
//   - status.go: what can be seen from outside, and the log
//
// The package does not fence: it tells a holder that its time is over, and cannot take back what was
// sent a moment before. It does not know what the active one does.
package lease
