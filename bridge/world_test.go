package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"bridge/polygon/polygontest"
)

// world is what a schedule happens to: a vendor, a bridge and its servers. It knows what the bridge has read.
type world struct {
	*schedule
	*ledger
	t      *testing.T
	vendor *vendor
	bus    *bus

	bridge  *process
	metrics string // URL of its metrics
	logged  int    // how much processes before this one have logged
	dir     string // of its queue; "" for one in memory
	copy    string // of dir; "" for none
	paused  bool
	forgot  bool // its disk lacks what it had stored once: it took nothing, or was taken back

	diskIs   diskState
	diskFile string // that tells the bridge

	first    int // session of this process; those before were of others
	session  int // its newest one, 0 for none yet
	before   int // frames that it had read when that began
	hopeless int // sessions that ended before it in a way that makes a bridge wait for long
}

// newWorld starts everything, and returns when the stream is there and has something.
func newWorld(t *testing.T, s *schedule) *world {
	w := &world{schedule: s, ledger: newLedger(), t: t, vendor: newVendor(t, s), bus: newBus(t, s)}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	w.metrics = "http://" + addr + "/metrics"
	settings := []string{
		"BRIDGE_HTTP_ADDR=" + addr,
		"BRIDGE_DRAIN_TIMEOUT=" + s.drain.String(),
		fmt.Sprintf("BRIDGE_STREAM_REPLICAS=%d", s.replicas),
		"POLYGON_SUBSCRIBE=A.*,AM.*",
	}
	if s.tight {
		settings = append(settings, queueVar+"=100000") // which is two of the vendor's bursts
	}
	if s.disk {
		w.dir = t.TempDir()
		w.diskFile = filepath.Join(t.TempDir(), "disk")
		settings = append(settings, "BRIDGE_DATA_DIR="+w.dir, diskVar+"="+w.diskFile)
	}
	w.bridge = newBridge(t, w.vendor.Server, w.bus.urls(), settings...)
	w.startBridge()
	w.send(0, 20)
	w.awaitStored()
	return w
}

// mark writes into the bridge's log what happens to it.
func (w *world) mark(what string) { fmt.Fprintf(w.bridge.log, "---- %s\n", what) }

func (w *world) startBridge() {
	st := w.vendor.Stats()
	w.first, w.session, w.before, w.hopeless = st.Sessions+1, 0, 0, st.Evicted+st.Stalled
	w.logged = len(w.bridge.log.String())
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
	if w.said("bridge stopped") {
		w.secure(w.first)
	}
	w.bridgeEnded()
}

// awaitStart waits until the bridge takes signals and has opened its queue.
func (w *world) awaitStart() {
	eventually(w.t, "the bridge has started", func() error {
		if !w.said("bridge started") {
			return errors.New("not yet")
		}
		return nil
	})
}

// said reports whether this process has logged a message.
func (w *world) said(message string) bool {
	return strings.Contains(w.bridge.log.String()[w.logged:], message)
}

// bridgeEnded waits until the vendor knows that the bridge is gone. What it had on disk is safe, and what it had in memory alone is gone.
func (w *world) bridgeEnded() {
	w.awaitVendor("the bridge's connection ends", func(st polygontest.Stats) bool { return st.Open == 0 })
	if w.disk {
		w.secureFiles()
		diskWell.tell(w.t, w.diskFile)
	}
	if !w.disk || !w.diskIs.takes() {
		w.bus.copy = ""
	}
	w.paused, w.diskIs = false, diskWell
}

func (w *world) pauseBridge() {
	w.bridge.pause()
	w.paused = true
}

func (w *world) continueBridge() {
	w.bridge.resume()
	w.paused = false
}

// send sends frames in the present session, or in the next one if there is none.
func (w *world) send(_, n int) {
	if !w.paused {
		w.awaitSession()
	} else if !w.streams() {
		return // and nothing will change that
	}
	w.vendor.send(w.session, n)
}

// streams reports whether the session that is known is the present one, and streams.
func (w *world) streams() bool {
	st := w.vendor.Stats()
	return w.session > 0 && st.Sessions == w.session && st.Subscribed == 1
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

// awaitStored waits until what was read is in the stream.
func (w *world) awaitStored() {
	w.awaitRead()
	eventually(w.t, "what was read is stored", func() error {
		n, err := w.metric("bridge_queue_records")
		if err == nil && n > 0 {
			err = fmt.Errorf("%d frames wait", n)
		}
		return err
	})
	w.secure(w.first)
}
