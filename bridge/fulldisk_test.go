package bridge

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"bridge/bridge/internal/natsd"
	"bridge/polygon/polygontest"
)

// TestOwnServerAfterFullDisk: the bridge's own NATS server stores again when its disk has room again. What came meanwhile is there, once and
// in order, and who was connected goes on.
func TestOwnServerAfterFullDisk(t *testing.T) {
	t.Parallel()
	srv := polygontest.NewServer(polygontest.Config{})
	t.Cleanup(srv.Close)
	addr := "127.0.0.1:" + strconv.Itoa(freePort(t))
	b := newBridge(t, srv, "", "BRIDGE_NATS_ADDR="+addr, "BRIDGE_DATA_DIR="+t.TempDir())
	b.start()
	if err := srv.WaitSubscribed(t.Context()); err != nil {
		t.Fatal(err)
	}
	url := "nats://" + addr
	tp := newTape(9)
	send := func() {
		for range 50 {
			srv.Send(tp.frame(20))
		}
	}
	send()
	stored(t, url, tp.events())
	limitFiles(t, b.cmd.Process.Pid, 0)
	send()
	b.says(`msg="embedded nats stores nothing" market=stocks revived=false`)
	limitFiles(t, b.cmd.Process.Pid, math.MaxInt64)
	send()
	stored(t, url, tp.events())
	tp.check(t, url)
	b.stop()
}

// TestOwnServerThatStoresGoesOn: acks that do not come in time, now and then, are no reason to start the bridge's own NATS server anew.
func TestOwnServerThatStoresGoesOn(t *testing.T) {
	t.Parallel()
	server, err := natsd.Start(natsd.Options{Addr: "127.0.0.1:0", StoreDir: t.TempDir(), Logger: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	px := newProxy(t, server.ClientURL())
	d := newDelivery(t, testConfig(px.url()))
	d.p.server = server
	d.start()
	tp := newTape(27)
	for range 2 {
		d.append(tp, 10, 20)
		d.settled(0)
		retried := d.p.metrics.retries()
		px.set(linkDeaf)
		d.append(tp, 10, 20)
		eventually(t, "an ack times out", func() error {
			if d.p.metrics.retries() == retried {
				return errors.New("no retry")
			}
			return nil
		})
		px.set(linkOpen)
	}
	d.finish()
	tp.check(t, server.ClientURL())
	if strings.Contains(d.log.String(), "embedded nats stores nothing") {
		t.Error("it is said to store nothing")
	}
}

// limitFiles lets a process write no file beyond a number of bytes, as if the disk were full.
func limitFiles(t testing.TB, pid int, bytes uint64) {
	t.Helper()
	const fileSize = 1 // RLIMIT_FSIZE
	limit := syscall.Rlimit{Cur: bytes, Max: math.MaxUint64}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), fileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Fatalf("limit the files of process %d: %v", pid, errno)
	}
}
