// Package bridge is the daemon: it carries the feed of package polygon into a JetStream stream. It is the only
// package that knows both sides.
//
//	Conn.Read       queue.Append       Split, place         publisher        ack
//	frame ────────▶ (disk or memory) ▶ lanes of messages ─▶ window ────────▶ JetStream ─▶ queue.Ack
//	└─── feed goroutine ───┘└─────────────────── publisher goroutine ───────────────────┘
//
// Everything passes through the queue, always. An outage is a longer queue and a lost connection is a
// reconciled window; there is no second mode that runs only on the worst day. The feed never waits: a queue
// that is full refuses the newest frame, loudly.
//
// Each subject has a lane, and of each lane only the head is in flight. So a message that has to be sent again
// keeps its place, whatever goes wrong, and after a reconnect the ids that the stream has stored meanwhile tell
// whether the head is there. That holds without the server's memory of message ids, which is short.
//
// Run:
//
//   - bridge.go: Run: builds the parts, and ends them in order
//   - errors.go: what only another setting can mend, and exit codes
//   - backoff.go: waits between attempts
//
// From the feed to the queue:
//
//   - feed.go: the succession of sessions
//   - interruption.go: the times in which nothing gets into the queue
//   - queue.go: what is between the two goroutines; memory.go: it without a data directory
//   - internal/spool: it with one
//
// From the queue to the stream:
//
//   - take.go: which record may be loaded; load.go: record to messages in lanes; message.go: message and lane; fifo.go
//   - volume.go: whether bars of a symbol are missing, by the day's volume in them
//   - route.go: subjects and message ids, and which symbols are fit for them
//   - deadletter.go: what cannot be published
//   - publish.go: fill the window; settle.go: settle what is answered, and send again what is not
//   - window.go: the messages that await an ack; throttle.go: how many may; ack.go: what an answer means
//   - deliver.go: one NATS connection after the other; link.go: one of them; natsconn.go: how to connect
//   - reconcile.go: what became of the messages that were in doubt; lookup.go: what the stream has; idset.go: many ids, small;
//     atrest.go: whether the stream may yet have more; takenback.go: whether it has less than it had acknowledged
//   - standby.go: two bridges that take turns; turn.go: what the publisher has to know of it;
//     leftover.go: what the other has stored since in a newer version
//   - stream.go: the stream as it must be
//
// Gaps:
//
//   - gap.go: a gap, as it is recorded; loadgap.go: how the publisher records it; streamed.go: since when there may be one;
//     journal.go: those without an outcome
//   - filler.go: one gap after the other; work.go: what has to be asked for one
//   - survey.go: what the stream has of it; probe.go: when REST can have it; aim.go: who traded; ask.go: asking
//   - store.go: how a bar gets into the stream only where none is, whoever else is at it
//   - fillqueue.go: from the filler to the publisher; loadbackfill.go: how that stays behind the feed
//   - backfill.go: Backfill: a time that is filled by hand
//
// Around it:
//
//   - config.go, environment.go, natsconfig.go: the settings; settings.go: the table of them; secret.go;
//     size.go: numbers of bytes; nearest.go: what was meant by a misspelt name
//   - log.go, metrics.go, histogram.go, observe.go, health.go, version.go: what can be seen from outside
//
// It does not decode events, and fills gaps with bars only: nothing else can be asked for.
package bridge
