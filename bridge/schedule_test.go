package bridge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// schedule is what happens to a bridge, or to two, and the servers. It depends on the seed alone.
type schedule struct {
	seed      uint64
	pair      bool          // there are two bridges, of which one is active
	servers   int           // one, or a cluster of three
	replicas  int           // of the servers, those that hold the stream: one, or all
	disk      bool          // the queue is on disk
	brief     bool          // the servers' memory of ids is at its least
	tight     bool          // the queue is so small that an outage fills it
	present   bool          // the vendor's bars are of the present, and not of a market that runs quicker
	fills     bool          // gaps are filled
	drain     time.Duration // how long a bridge that is asked to stop may take
	symbols   int
	perSecond int // second bars of a second of the market
	steps     []step
}

// step is a move, to be made with a bridge, a server and a number.
type step struct {
	*move
	host   int
	server int
	n      int
}

func (s step) String() string {
	bridge := fmt.Sprint("bridge ", s.host)
	return strings.NewReplacer("the bridge", bridge, "the link", "the link of "+bridge, "SERVER", fmt.Sprint("server ", s.server), "N", fmt.Sprint(s.n)).Replace(s.name)
}

// newSchedule makes the schedule of a seed.
func newSchedule(seed uint64) *schedule {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &schedule{
		seed:      seed,
		servers:   1,
		replicas:  1,
		disk:      rng.IntN(5) > 0,
		brief:     rng.IntN(2) == 0,
		drain:     []time.Duration{50 * time.Millisecond, time.Second, 3 * time.Second}[rng.IntN(3)],
		symbols:   []int{3, 30, 300}[rng.IntN(3)],
		perSecond: 3 + rng.IntN(20),
	}
	switch s.pair = rng.IntN(5) == 0; rng.IntN(24) {
	case 0, 1, 2, 3:
		s.servers, s.replicas = 3, 3
	case 4, 5, 6:
		if !s.pair { // of two bridges, the one that stands by does not notice that the stream was taken back
			s.servers, s.disk = 3, true // it has to send again what the server has lost
		}
	}
	s.tight = rng.IntN(5) == 0 && !s.pair && !s.remote() // gaps do not tell which of two has refused frames
	if s.fills = rng.IntN(4) == 0; s.fills {
		s.symbols = min(s.symbols, 30) // each is asked for, for every gap
	}
	s.present = rng.IntN(3) == 0 || s.fills || s.pair // REST is asked by the clock, and of two bridges one tells by its bars how long the other was active
	now := newSituation(s)
	for range 12 + rng.IntN(24) {
		m := now.draw(rng)
		st := step{m, now.number, now.server, 1 + rng.IntN(60)}
		if m.then != nil {
			m.then(now)
		}
		s.steps = append(s.steps, st)
	}
	return s
}

// remote reports whether the stream is on one server of a cluster, and the bridge is told of the others only: then its connection lives
// whatever becomes of that server.
func (s *schedule) remote() bool { return s.servers > s.replicas }

// repeats reports whether the vendor sends some bars again as they are. Where the servers forget them, or a queue refuses some, it could
// not be told whether one is stored twice, or which one is.
func (s *schedule) repeats() bool { return !s.brief && !s.tight && !s.present }

// bridges is how many there are.
func (s *schedule) bridges() int {
	if s.pair {
		return 2
	}
	return 1
}

func (s *schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: two bridges %v, servers %d, replicas %d, queue on disk %v, tight %v, market of the present %v, gaps are filled %v, brief memory of ids %v, drain timeout %v, %d symbols\n",
		s.seed, s.pair, s.servers, s.replicas, s.disk, s.tight, s.present, s.fills, s.brief, s.drain, s.symbols)
	for i, st := range s.steps {
		fmt.Fprintf(&b, "  %2d %s\n", i+1, st)
	}
	return b.String()
}

// situation is what a schedule has come to: it tells which moves make sense.
type situation struct {
	*schedule
	*hostSituation // of the bridge that the next move is about
	hosts          []*hostSituation
	server         int // that the next move is about
	servers        []condition
	full           bool // the stream
	storeKept      bool // there is a copy of the disk of the stream's server
}

// hostSituation is what has become of a bridge.
type hostSituation struct {
	number    int
	bridge    condition
	link      linkState
	diskIs    diskState
	spoolKept bool // there is a copy of its disk
}

// condition is how a process is.
type condition string

const (
	up      condition = "up"
	stopped condition = "stopped" // by SIGSTOP
	down    condition = "down"
)

func newSituation(s *schedule) *situation {
	now := &situation{schedule: s, storeKept: s.remote()} // see newWorld
	for i := range s.bridges() {
		now.hosts = append(now.hosts, &hostSituation{number: i, bridge: up, link: linkOpen})
	}
	for range s.servers {
		now.servers = append(now.servers, up)
	}
	return now
}

// draw picks a bridge, a server and one of the moves that make sense.
func (now *situation) draw(rng *rand.Rand) *move {
	now.hostSituation = now.hosts[rng.IntN(len(now.hosts))]
	now.server = rng.IntN(len(now.servers))
	var possible []*move
	total := 0
	for _, m := range moves {
		if m.may(now) {
			possible = append(possible, m)
			total += m.weight
		}
	}
	at := rng.IntN(total)
	for _, m := range possible {
		if at -= m.weight; at < 0 {
			return m
		}
	}
	panic("the weights do not add up")
}

// feeds reports whether some bridge reads the feed, or will soon. Of two, only one that reaches the servers can be active.
func (now *situation) feeds() bool { return !now.pair && now.bridge == up || now.reaches() }

// stores reports whether what a bridge sends is stored.
func (now *situation) stores() bool { return now.reaches() && !now.full }

// reaches reports whether some bridge reaches the servers.
func (now *situation) reaches() bool {
	return now.quorate() && slices.ContainsFunc(now.hosts, (*hostSituation).linked)
}

// linked reports whether the bridge runs, and its links pass on what it sends.
func (h *hostSituation) linked() bool {
	return h.bridge == up && (h.link == linkOpen || h.link == linkSlow)
}

// quorate reports whether enough servers are up for the stream to take anything.
func (now *situation) quorate() bool {
	if now.remote() && now.servers[0] != up {
		return false
	}
	n := 0
	for _, c := range now.servers {
		if c == up {
			n++
		}
	}
	return 2*n > len(now.servers)
}

// whole reports whether all servers are up.
func (now *situation) whole() bool {
	return !slices.ContainsFunc(now.servers, func(c condition) bool { return c != up })
}

// spools reports whether what the bridge reads gets into the files of its queue, unless that is full.
func (now *situation) spools() bool { return now.bridge == up && now.disk && now.diskIs.takes() }

// spoolsAll reports whether all of it does.
func (now *situation) spoolsAll() bool { return now.spools() && !now.tight }

// bridgeEnds notes that the process is gone, and with it what its disk was to it.
func (now *situation) bridgeEnds() {
	if !now.disk || !now.diskIs.takes() {
		now.storeKept = false // of no use, see world.bridgeEnded
	}
	now.bridge, now.diskIs = down, diskWell
}
