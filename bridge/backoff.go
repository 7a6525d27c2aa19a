package bridge

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff returns how long to wait after the given number of failures in a row: 250 ms doubling to
// most, half of it at random, so that many clients do not come back at once.
func backoff(failures int, most time.Duration) time.Duration {
	d := min(250*time.Millisecond<<min(failures, 10), most)
	return jitter(d)
}

// jitter returns between half of d and d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d and reports whether ctx lasted that long.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
