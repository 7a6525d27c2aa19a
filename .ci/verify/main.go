// Command verify compares the stream of the demo in docker-compose.yml with what its simulator has sent, and fails where they
// differ. The simulator trades the same from the same start, so its events are made once more here, byte for byte.
//
// What it holds the stream to, whatever was done to the demo's containers meanwhile:
//
//   - as sent: each message is an event that the simulator sent, or a bar from REST with the prices and a volume of one
//   - nothing twice: an event is there as often as it was sent, and not again within the stream's duplicate window; a bar from REST is
//     there once, and only where the feed's is not
//   - in order: the messages of a subject are in the order in which their events were sent, and each bar that is not newer than the
//     newest of its subject says so
//   - nothing lost: every event that was sent outside the recorded gaps is there, and of the gaps every bar that REST still has,
//     which forgets when the simulator is started anew
//   - each gap is recorded once, and filled
//
// Files:
//
//   - tape.go: what the simulator has sent, and when
//   - stream.go: what the stream has
//   - compare.go: the statements above
//
// It knows nothing of the bridge's code. The stream must be at rest: the bridge has stopped.
//
// Usage: verify, with the server in NATS_URL.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// maxShown is how many differences are printed.
const maxShown = 20

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := verify(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}

func verify(ctx context.Context) error {
	messages, err := readStream(ctx, os.Getenv("NATS_URL"))
	if err != nil {
		return err
	}
	t, err := replay(messages)
	if err != nil {
		return err
	}
	c := newComparison(t)
	c.compare(messages)
	for _, g := range c.gaps {
		fmt.Println(g)
	}
	fmt.Printf("%d events of %d lives of the simulator; %d in the stream as sent, %d of them not newer than their subject's newest; %d bars from REST\n",
		len(t.events), len(t.lives), c.sent, c.revisions, c.rest)
	for _, d := range c.differences[:min(len(c.differences), maxShown)] {
		fmt.Fprintln(os.Stderr, d)
	}
	switch {
	case len(c.differences) > 0:
		return fmt.Errorf("%d differences", len(c.differences))
	case c.revisions == 0 || c.rest == 0:
		return fmt.Errorf("the stream proves too little: it lacks corrections, or bars from REST")
	}
	return nil
}
