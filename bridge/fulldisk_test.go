package bridge

import (
	"math"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

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
