package bridge

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// diskVar names the file that says how the disk of a bridge is.
const diskVar = "BRIDGETEST_DISK"

// diskState is how the disk of a bridge is.
type diskState string

const (
	diskWell  diskState = ""
	diskFull  diskState = "full"
	diskSlow  diskState = "slow"
	diskHangs diskState = "hangs"
)

// takes reports whether what is written gets to the disk soon.
func (d diskState) takes() bool { return d == diskWell || d == diskSlow }

// tell writes it into the file that the bridge looks at.
func (d diskState) tell(t testing.TB, file string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(d), 0o600); err != nil {
		t.Fatal(err)
	}
}

// obeyDisk lets this process write and sync files only as the file says that the disk is. The system holds up the calls and asks
// about each; one that is held up when the process is killed has done nothing.
func obeyDisk(file string) error {
	listener, err := holdUpCalls()
	if err != nil {
		return fmt.Errorf("hold up system calls: %w", err)
	}
	go func() { // which makes no such call
		for {
			var call struct { // seccomp_notif
				id uint64
				_  [72]byte
			}
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, listener, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&call))); errno != 0 {
				continue // a signal came between; the call is made again
			}
			awaitDisk(file)
			answer := struct { // seccomp_notif_resp
				id    uint64
				value int64
				err   int32
				flags uint32
			}{id: call.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
			_, _, _ = unix.Syscall(unix.SYS_IOCTL, listener, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&answer)))
		}
	}()
	return nil
}

// holdUpCalls has the system ask before any thread writes at a place in a file, or syncs one. It returns the descriptor to answer at.
func holdUpCalls() (listener uintptr, err error) {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PWRITE64, Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FSYNC, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	runtime.LockOSThread() // both calls must come from one thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&filter)))
	if errno != 0 {
		return 0, errno
	}
	return listener, nil
}

// awaitDisk returns when the disk is one that answers.
func awaitDisk(file string) {
	for {
		state, _ := os.ReadFile(file)
		switch diskState(state) {
		case diskHangs:
			<-time.After(10 * time.Millisecond)
		case diskSlow:
			<-time.After(100 * time.Millisecond) // much less than what is taken for a disk that hangs
			return
		default:
			return
		}
	}
}
