package bridge

import (
	"fmt"
	"os"
)

// fillDisk lets the bridge write nothing any more.
func (w *world) fillDisk() {
	limitFiles(w.t, w.bridge.cmd.Process.Pid, 0)
	w.noSpace, w.forgot = true, true
}

func (w *world) widenDisk() {
	limitFiles(w.t, w.bridge.cmd.Process.Pid, 1<<40)
	w.noSpace = false
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
	if w.disk && !w.noSpace {
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
