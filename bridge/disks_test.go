package bridge

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// setDisk changes the disk of a bridge that has begun to use it.
func (w *world) setDisk(d diskState) {
	w.awaitStart()
	limit := uint64(1 << 40)
	if d == diskFull {
		limit = 0
	}
	limitFiles(w.t, w.bridge.cmd.Process.Pid, limit)
	d.tell(w.t, w.diskFile)
	w.diskIs = d
	w.forgot = w.forgot || !d.takes()
	if d == diskWell && !w.tight {
		w.awaitSpooled() // as what was stored meanwhile counts as safe
	}
}

// keepSpool copies the bridge's disk, as it is at one instant.
func (w *world) keepSpool() {
	w.awaitSpooled()
	w.copy = w.t.TempDir()
	w.bridge.pause()
	err := os.CopyFS(w.copy, os.DirFS(w.dir))
	w.bridge.resume()
	if err != nil {
		w.t.Fatal(err)
	}
	w.ledger.keep()
}

// takeBridgeBack kills the bridge and takes it back to the copy of its disk.
func (w *world) takeBridgeBack() {
	w.killBridge()
	if err := os.RemoveAll(w.dir); err != nil {
		w.t.Fatal(err)
	}
	if err := os.CopyFS(w.dir, os.DirFS(w.copy)); err != nil {
		w.t.Fatal(err)
	}
	w.ledger.takeBack()
	w.forgot = true
}

// takeServerBack takes the server back to the copy of its disk. Where a bridge has in memory alone what the server lacks then, it is
// given the time to send it again.
func (w *world) takeServerBack() {
	if w.disk && w.diskIs.takes() {
		w.bus.takeBack()
		return
	}
	const connections = "bridge_nats_connections_total"
	var before int
	eventually(w.t, "the bridge can be asked", func() (err error) {
		before, err = w.metric(connections)
		return err
	})
	w.bus.takeBack()
	eventually(w.t, "the bridge has reconciled", func() error {
		n, err := w.metric(connections)
		if err == nil && n == before {
			err = fmt.Errorf("%d connections", n)
		}
		return err
	})
	w.awaitStored()
}

// takeBackAndHide has the stream lose something that it has just acknowledged, and others store so much that its end does not tell.
func (w *world) takeBackAndHide(n int) {
	w.send(n)
	w.awaitStored()
	w.bus.takeBackAndHide()
}

// TestHangingDiskHoldsUpNothing: neither the feed nor delivery waits for it, and when it goes on it takes what came meanwhile.
func TestHangingDiskHoldsUpNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &schedule{seed: 3, servers: 1, replicas: 1, disk: true, brief: true, drain: time.Second, symbols: 30, perSecond: 10})
	w.setDisk(diskHangs)
	w.send(50)
	w.awaitStored()
	if n, sent := w.read[w.session], len(w.vendor.frames[w.session]); n < sent {
		t.Errorf("%d of %d frames were read while the disk hangs", n, sent)
	}
	if slices.ContainsFunc(w.files(), func(data []byte) bool { return bytes.Contains(data, w.lastRead()) }) {
		t.Error("the disk did not hang")
	}
	w.setDisk(diskWell)
	w.killBridge()
	w.settle()
	w.compare()
}
