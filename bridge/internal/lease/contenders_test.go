package lease

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// takeoverLimit is what is promised beyond the TTL when a holder was killed.
const takeoverLimit = 5 * time.Second

// stretch is the time from the first to the last moment of one lease at which its holder could work.
type stretch struct {
	holder      string
	epoch       int64
	first, last int64 // CLOCK_MONOTONIC
}

// contenders are processes that contend for one lease, and work whenever it is theirs.
type contenders struct {
	t         *testing.T
	processes []*process
}

func startContenders(t *testing.T, n int, url string, ttl time.Duration) *contenders {
	cs := &contenders{t: t}
	for i := range n {
		p := newProcess(t, "contender", fmt.Sprintf("p%d", i), url, ttl.String())
		cs.start(p)
		cs.processes = append(cs.processes, p)
	}
	return cs
}

// start returns when the process can be asked to stop.
func (cs *contenders) start(p *process) {
	cs.t.Helper()
	started := strings.Count(p.out.String(), "started\n")
	p.start()
	eventually(cs.t, p.args[0]+" starts", func() error {
		if strings.Count(p.out.String(), "started\n") == started {
			return errNotYet
		}
		return nil
	})
}

// stretches returns what all have done so far, in the order of time.
func (cs *contenders) stretches() (all []stretch) {
	for _, p := range cs.processes {
		all = append(all, stretchesOf(cs.t, p)...)
	}
	slices.SortFunc(all, func(a, b stretch) int { return cmp.Compare(a.first, b.first) })
	return all
}

func stretchesOf(t *testing.T, p *process) (all []stretch) {
	for line := range strings.Lines(p.out.String()) {
		fields := strings.Fields(line)
		if !strings.HasSuffix(line, "\n") || len(fields) != 3 || fields[0] != "work" {
			continue
		}
		epoch, now := number(t, fields[1]), number(t, fields[2])
		if len(all) == 0 || all[len(all)-1].epoch != epoch {
			all = append(all, stretch{holder: p.args[0], epoch: epoch, first: now})
		}
		all[len(all)-1].last = now
	}
	return all
}

// next waits until one works whose epoch is later than the given one, and returns it.
func (cs *contenders) next(limit time.Duration, epoch int64) (p *process, s stretch) {
	cs.t.Helper()
	within(cs.t, limit, fmt.Sprintf("another is active after epoch %d", epoch), func() error {
		for _, p = range cs.processes {
			if own := stretchesOf(cs.t, p); len(own) > 0 && own[len(own)-1].epoch > epoch {
				s = own[len(own)-1]
				return nil
			}
		}
		return errNotYet
	})
	return p, s
}

// stop ends all and checks that no two have ever worked at once.
func (cs *contenders) stop() {
	cs.t.Helper()
	for _, p := range cs.processes {
		if code := p.terminate(); code != 0 {
			cs.t.Errorf("%s: exit code %d", p.args[0], code)
		}
	}
	all := cs.stretches()
	for i, s := range all {
		if i > 0 && (s.first <= all[i-1].last || s.epoch <= all[i-1].epoch) {
			cs.t.Errorf("two at once: %+v and %+v", all[i-1], s)
		}
	}
	cs.t.Logf("%d leases in turn", len(all))
}

func TestTakeoverAfterKill(t *testing.T) {
	const ttl = 3 * time.Second
	cs := startContenders(t, 2, newNATS(t).up().url, ttl)
	holder, first := cs.next(time.Minute, 0)
	cs.allStandBy(holder)
	holder.kill()
	killed := monotonic()
	_, second := cs.next(ttl+takeoverLimit, first.epoch)
	t.Logf("taken over after %v with a TTL of %v", time.Duration(second.first-killed), ttl)
	cs.start(holder)
	cs.stop()
}

// allStandBy waits until the others know who is active.
func (cs *contenders) allStandBy(holder *process) {
	cs.t.Helper()
	for _, p := range cs.processes {
		if p == holder {
			continue
		}
		eventually(cs.t, p.args[0]+" stands by", func() error {
			if !strings.Contains(p.out.String(), "standby 0 "+holder.args[0]) {
				return errNotYet
			}
			return nil
		})
	}
}

func TestPausedHolderDoesNoHarm(t *testing.T) {
	cs := startContenders(t, 2, newNATS(t).up().url, shortTTL)
	holder, first := cs.next(time.Minute, 0)
	cs.allStandBy(holder)
	holder.signal(syscall.SIGSTOP)
	_, second := cs.next(time.Minute, first.epoch)
	holder.signal(syscall.SIGCONT)
	eventually(t, "the paused one has stepped down", func() error {
		if !strings.Contains(holder.out.String(), fmt.Sprintf("ended %d lease lost", first.epoch)) {
			return errNotYet
		}
		return nil
	})
	own := stretchesOf(t, holder)
	if last := own[len(own)-1]; last.epoch != first.epoch || last.last >= second.first {
		t.Errorf("the paused one worked until %+v, and the other began at %d", last, second.first)
	}
	cs.stop()
}

// Three contend while the active one is stopped, killed and paused, and the server killed and frozen, in a random order.
func TestNeverTwoActives(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	server := newNATS(t).up()
	cs := startContenders(t, 3, server.url, shortTTL)
	var epoch int64
	for range 6 {
		holder, s := cs.next(time.Minute, epoch)
		epoch = s.epoch
		fault := random.IntN(5)
		t.Logf("epoch %d, holder %s, fault %d", epoch, holder.args[0], fault)
		switch fault {
		case 0:
			holder.terminate()
			cs.start(holder)
		case 1:
			holder.kill()
			cs.start(holder)
		case 2:
			holder.signal(syscall.SIGSTOP)
			cs.next(time.Minute, epoch)
			holder.signal(syscall.SIGCONT)
		case 3:
			server.kill()
			cs.loses(holder, epoch)
			server.up()
		case 4:
			server.signal(syscall.SIGSTOP)
			cs.loses(holder, epoch)
			server.signal(syscall.SIGCONT)
		}
	}
	cs.next(time.Minute, epoch)
	cs.stop()
}

func (cs *contenders) loses(holder *process, epoch int64) {
	cs.t.Helper()
	eventually(cs.t, holder.args[0]+" loses the lease", func() error {
		if !strings.Contains(holder.out.String(), fmt.Sprintf("ended %d %v", epoch, ErrLost)) {
			return errors.New(holder.out.last(300))
		}
		return nil
	})
}

// Elections take longer than a short TTL: then the lease may change hands, and still two never hold it at once.
func TestNeverTwoActivesInACluster(t *testing.T) {
	servers, url := startCluster(t)
	cs := startContenders(t, 3, url, shortTTL)
	var epoch int64
	for i := range 3 {
		holder, s := cs.next(time.Minute, epoch)
		epoch = s.epoch
		failed := leader(t, servers, url)
		if i%2 == 0 {
			failed.signal(syscall.SIGSTOP)
		} else {
			failed.kill()
			holder.signal(syscall.SIGSTOP)
		}
		cs.next(time.Minute, epoch)
		if i%2 == 0 {
			failed.signal(syscall.SIGCONT)
		} else {
			failed.up()
			holder.signal(syscall.SIGCONT)
		}
	}
	cs.stop()
}
