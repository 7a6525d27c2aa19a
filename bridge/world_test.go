package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"bridge/polygon/polygontest"
)

// world is what a schedule happens to: a vendor, one or two bridges, and their servers.
type world struct {
	*schedule
	*host    // the bridge that is dealt with at present
	hosts    []*host
	t        *testing.T
	vendor   *vendor
	bus      *bus
	mayEvict int // how often the vendor may have had to end the session of one of two bridges
}

// host is a bridge and its surroundings. It knows what the bridge has read.
type host struct {
	*ledger
	links   *links
	bridge  *process
	key     string // by which the vendor's sessions are told apart; to the vendor they are of one key
	metrics string // URL of its metrics
	dir     string // of its queue; "" for one in memory
	copy    string // of dir; "" for none
	forgot  bool   // its disk lacks what it had stored once: it took nothing, or was taken back

	diskIs   diskState
	diskFile string // that tells the bridge

	first    int // session of this process; those before were of others
	session  int // its newest one, 0 for none yet
	before   int // frames that it had read when that began
	hopeless int // sessions that ended before it in a way that makes a bridge wait for long
}

// newWorld starts everything, and returns when the stream is there and has something.
func newWorld(t *testing.T, s *schedule) *world {
	w := &world{schedule: s, t: t, vendor: newVendor(t, s), bus: newBus(t, s)}
	for i := range s.bridges() {
		w.addHost(fmt.Sprint("key", i))
		w.startBridge()
	}
	w.send(20)
	w.awaitStored()
	if w.remote() {
		w.bus.keep()
	}
	return w
}

func (w *world) addHost(key string) {
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(w.t))
	w.host = &host{ledger: newLedger(), links: newLinks(w.bus), key: key, metrics: "http://" + addr + "/metrics"}
	w.hosts = append(w.hosts, w.host)
	settings := []string{
		"POLYGON_API_KEY=" + key,
		fmt.Sprintf("BRIDGE_STANDBY=%v", w.pair),
		"BRIDGE_HTTP_ADDR=" + addr,
		"BRIDGE_DRAIN_TIMEOUT=" + w.drain.String(),
		fmt.Sprintf("BRIDGE_STREAM_REPLICAS=%d", w.replicas),
		"POLYGON_SUBSCRIBE=A.*,AM.*",
	}
	if w.fills {
		settings = append(settings, "BRIDGE_BACKFILL=true", "POLYGON_REST_URL="+w.vendor.RESTURL)
	}
	if w.tight {
		settings = append(settings, queueVar+"=100000") // which is two of the vendor's bursts
	}
	if w.disk {
		w.dir = w.t.TempDir()
		w.diskFile = filepath.Join(w.t.TempDir(), "disk")
		settings = append(settings, "BRIDGE_DATA_DIR="+w.dir, diskVar+"="+w.diskFile)
	}
	w.bridge = newBridge(w.t, w.vendor.Server, w.links.urls(), settings...)
}

// mark writes into the logs of the bridges what happens to them.
func (w *world) mark(what string) {
	for _, h := range w.hosts {
		fmt.Fprintf(h.bridge.log, "---- %s\n", what)
	}
}

func (w *world) startBridge() {
	st := w.vendor.Stats()
	w.first, w.session, w.before, w.hopeless = st.Sessions+1, 0, 0, st.Evicted+st.Stalled
	w.bridge.start()
}

func (w *world) killBridge() {
	w.bridge.kill()
	w.bridgeEnded()
}

// endBridge asks the bridge to stop and waits until it has.
func (w *world) endBridge() {
	w.awaitStart()
	w.bridge.signal(syscall.SIGTERM)
	if code := w.bridge.wait(); code != 0 {
		w.t.Errorf("exit code %d, want 0", code)
	}
	if w.bridge.said("bridge stopped") {
		w.secure(w.first)
	}
	w.bridgeEnded()
}

// awaitStart waits until the bridge takes signals and has opened its queue.
func (w *world) awaitStart() {
	eventually(w.t, "the bridge has started", func() error {
		if !w.bridge.said("bridge started") {
			return errors.New("not yet")
		}
		return nil
	})
}

// bridgeEnded waits until the vendor knows that the bridge is gone. What it had on disk is safe, and what it had in memory alone is gone.
func (w *world) bridgeEnded() {
	w.awaitVendor("the bridge's session ends", func(polygontest.Stats) bool {
		return !slices.ContainsFunc(w.vendor.Subscribers(), func(s polygontest.Subscriber) bool { return s.Key == w.key })
	})
	if w.disk {
		w.secureFiles()
		diskWell.tell(w.t, w.diskFile)
	}
	if !w.disk || !w.diskIs.takes() {
		w.bus.copy = "" // nobody can send again what the server would lack
	}
	w.diskIs = diskWell
}

func (w *world) pauseBridge() {
	if _, h := w.streaming(); h == nil || h == w.host {
		w.mayEvict++
	}
	w.bridge.pause()
}

// replace pauses a bridge, while it has enough to do if it is the active one, and waits until the other is.
func (w *world) replace(n int) {
	paused := w.host
	w.sendOn(n)
	w.host = paused
	w.pauseBridge()
	w.sendOn(n)
	w.awaitSession()
}

func (w *world) continueBridge() { w.bridge.resume() }

// send sends frames in the present session, or in the next one if there is none.
func (w *world) send(n int) {
	w.awaitSession()
	w.vendor.send(w.session, n)
}

// sendOn sends frames in the present session, if there is one that is known. It waits for no other.
func (w *world) sendOn(n int) {
	for _, w.host = range w.hosts {
		if w.streams() {
			w.vendor.send(w.session, n)
			return
		}
	}
}

// awaitRead waits until the bridge has read what was sent in its session, or the session has ended.
func (w *world) awaitRead() {
	if w.session == 0 {
		return
	}
	eventually(w.t, "what was sent is read", func() error {
		streams := w.streams()
		if err := w.count(); err != nil {
			return err
		}
		if sent := len(w.vendor.frames[w.session]); streams && w.read[w.session] < sent {
			return fmt.Errorf("%d of %d frames", w.read[w.session], sent)
		}
		return nil
	})
}

// awaitSpooled waits until what was read is in the files of the queue.
func (w *world) awaitSpooled() {
	w.awaitRead()
	frame := w.lastRead()
	if frame == nil {
		return
	}
	eventually(w.t, "what was read is on disk", func() error {
		for _, data := range w.files() {
			if bytes.Contains(data, frame) {
				return nil
			}
		}
		return errors.New("it is in no file")
	})
	w.secure(w.first)
}

// secureFiles notes what the files of the queue hold of the sessions of this process.
func (w *world) secureFiles() {
	files := w.files()
	for session := w.first; session <= w.session; session++ {
		if _, known := w.read[session]; !known {
			continue // it is the other bridge's
		}
		frames := w.vendor.frames[session]
		n := len(frames)
		if w.tight {
			n = w.read[session] // of the others it is not known how many were refused
		}
		for n > w.safe[session] && !slices.ContainsFunc(files, func(data []byte) bool { return bytes.Contains(data, frames[n-1]) }) {
			n--
		}
		w.safe[session] = max(n, w.safe[session])
	}
}

// files returns the contents of the files of the queue.
func (w *world) files() (all [][]byte) {
	names, err := filepath.Glob(filepath.Join(w.dir, "spool", "stocks", "*"))
	for _, name := range names {
		data, readErr := os.ReadFile(name)
		all, err = append(all, data), errors.Join(err, readErr)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// lastRead returns the frame that this process read last, nil for none.
func (w *world) lastRead() []byte {
	for session := w.session; session >= max(w.first, 1); session-- {
		if n := w.read[session]; n > 0 {
			return w.vendor.frames[session][n-1]
		}
	}
	return nil
}

// awaitStored waits until what was read is in the stream. Of two bridges, that is what the active one has read.
func (w *world) awaitStored() {
	for stored := false; !stored; {
		if w.pair {
			w.awaitSession()
		}
		w.awaitRead()
		eventually(w.t, "what was read is stored", func() error {
			n, err := w.metric("bridge_queue_records")
			active, notTold := w.metric("bridge_active")
			stored = err == nil && n == 0
			if n > 0 && active > 0 {
				err = fmt.Errorf("%d frames wait", n)
			}
			return errors.Join(err, notTold)
		})
	}
	w.secure(w.first)
}
