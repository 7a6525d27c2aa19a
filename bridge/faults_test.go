package bridge

import (
	"flag"
	"fmt"
	"testing"
)

// The fault suite: schedules of faults, each made from a seed, strike a bridge, or two that take turns, and their servers,
// which are real processes, while a feed sends. At the end of each the stream is compared with what the feed has sent, event by event.
//
//	go test -race -run TestFaults ./bridge                                                  a few schedules
//	go test -race -run TestFaults ./bridge -faults.seed 17                                  one of them, again
//	go test -race -run TestFaults ./bridge -faults.n 200 -parallel 6 -timeout 2h            many
//
// The seed decides what is done and what is sent. When exactly it happens is up to the machine, so that a fault that needs
// an unlucky moment may take a few runs of its seed to come back.
//
//   - schedule_test.go: a schedule, and how it is made; moves_test.go: what it may consist of
//   - world_test.go: what the moves act upon; vendor_test.go: the feed of it; bus_test.go: the servers and the links to
//     them; onecopy_test.go: the stream that is on one of them, and may lose something; disks_test.go: the disks
//   - sessions_test.go: how the bridges are followed
//   - ledger_test.go: what the bridge is known to have read; truth_test.go: what the stream must have in the end,
//     gaptruth_test.go: and which gaps, refusals_test.go: and what a tight queue may have refused
//   - present_test.go: the market where gaps are filled; filltruth_test.go: and what of it the stream must have then
//   - process_test.go, natsserver_test.go, proxy_test.go, fulldisk_test.go, slowdisk_test.go: the processes and what can be done to them
var (
	faultSeed  = flag.Uint64("faults.seed", 0, "seed of the first schedule of faults; with no -faults.n the only one")
	faultCount = flag.Uint64("faults.n", 0, "number of schedules of faults")
)

func TestFaults(t *testing.T) {
	t.Parallel()
	first, n := max(*faultSeed, 1), *faultCount
	switch {
	case n > 0:
	case *faultSeed > 0:
		n = 1
	default:
		n = 4
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			play(t, newSchedule(seed))
		})
	}
}

// play lets a schedule happen, then lets all faults end, and compares.
func play(t *testing.T, s *schedule) {
	done := 0
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\nfailed after %d steps; again: go test -race -run TestFaults ./bridge -faults.seed %d", s, done, s.seed)
		}
	})
	w := newWorld(t, s)
	for _, step := range s.steps {
		w.mark(step.String())
		w.host = w.hosts[step.host]
		step.do(w, step.server, step.n)
		done++
	}
	w.mark("all faults end")
	w.settle()
	w.compare()
}
