package polygon

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// grants takes n slots, each of them granted, and returns how long that took.
func grants(t *testing.T, p *pace, n int) time.Duration {
	t.Helper()
	begun := time.Now()
	for range n {
		if err := p.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.granted()
	}
	return time.Since(begun)
}

func TestRequestsStayBelowTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(80)
		var work sync.WaitGroup
		begun := time.Now()
		for range 8 {
			work.Go(func() { grants(t, p, 100) })
		}
		work.Wait()
		if got, want := time.Since(begun), 799*p.fastest; got != want {
			t.Errorf("800 requests took %s, want %s", got, want)
		}
	})
}

// TestRateIsLearnt lets a vendor refuse what exceeds a number of requests in any minute.
func TestRateIsLearnt(t *testing.T) {
	for _, limit := range []int{5, 300} {
		synctest.Test(t, func(t *testing.T) {
			p := newPace(80)
			var granted []time.Time
			refused := 0
			begun := time.Now()
			for len(granted) < 20*limit {
				if err := p.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				n := len(granted)
				if n >= limit && time.Since(granted[n-limit]) < time.Minute {
					refused++
					p.refused(time.Now(), 0)
					continue
				}
				granted = append(granted, time.Now())
				p.granted()
			}
			if got := time.Since(begun); got > 30*time.Minute {
				t.Errorf("%d a minute: %d requests took %s, want little more than 20 minutes", limit, len(granted), got)
			}
			if refused > 20 {
				t.Errorf("%d a minute: %d requests were refused, want one a minute at most", limit, refused)
			}
		})
	}
}

func TestRefusalHoldsEveryoneBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1)
		grants(t, p, 1)
		begun := time.Now()
		waited := make(chan time.Duration)
		for range 2 {
			go func() {
				p.wait(t.Context())
				waited <- time.Since(begun)
			}()
		}
		synctest.Wait() // one of them waits for its slot, in a second
		p.refused(time.Now(), time.Minute)
		if first := <-waited; first != time.Minute {
			t.Errorf("the first waited %s, want a minute", first)
		}
		if second := <-waited; second <= time.Minute {
			t.Errorf("the second waited %s, want more than a minute", second)
		}
	})
}

func TestRefusalsOfOneCrowdCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(80)
		grants(t, p, 100)
		asked := time.Now()
		p.refused(asked.Add(-time.Millisecond), time.Second)
		once := p.interval
		for range 10 {
			p.refused(asked.Add(-time.Millisecond), time.Second)
		}
		if p.interval != once || once != time.Minute/100 {
			t.Errorf("the interval is %s after 1 refusal and %s after 11, want %s", once, p.interval, time.Minute/100)
		}
	})
}

func TestPaceQuickensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(80)
		p.refused(time.Now(), 0)
		if p.interval != slowest {
			t.Errorf("the interval is %s after nothing was granted, want %s", p.interval, slowest)
		}
		begun := time.Now()
		for p.interval > p.fastest {
			grants(t, p, 1)
		}
		if got := time.Since(begun); got > 12*time.Minute {
			t.Errorf("it took %s, want little more than the ten minutes of ten times twice the rate", got)
		}
	})
}

func TestWaitEndsWithItsContextAndCostsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1)
		grants(t, p, 1)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		for range 5 {
			go func() { ended <- p.wait(ctx) }()
		}
		synctest.Wait()
		cancel(gone)
		for range 5 {
			if err := <-ended; err != gone {
				t.Errorf("got %v, want %v", err, gone)
			}
		}
		if got := grants(t, p, 1); got != time.Second {
			t.Errorf("the next request waited %s, want %s", got, time.Second)
		}
	})
}
