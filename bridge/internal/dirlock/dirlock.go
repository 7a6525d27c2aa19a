// Package dirlock keeps a directory for one process. The system frees it when the process ends, however it does.
//
//   - dirlock.go: Take, Release
//   - file_unix.go, file_windows.go: how the system locks a file
//
// It is for directories below BRIDGE_DATA_DIR, which its errors name. It does not wait for a lock.
package dirlock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errLocked is returned by lockFile when another process has the lock, or another Lock of this one.
var errLocked = errors.New("locked")

// Lock is a directory that is taken.
type Lock struct{ file *os.File }

// Take makes the directory if need be and locks it. The error of a directory that is in use names the process.
func Take(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritable(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unwritable(err)
	}
	if err := lockFile(file); err != nil {
		holder, _ := io.ReadAll(file)
		_ = file.Close()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock %s, BRIDGE_DATA_DIR must be on a file system with locks: %w", file.Name(), err)
		}
		return nil, fmt.Errorf("%s is in use by process %s: stop it, or set BRIDGE_DATA_DIR to another directory", dir, strings.TrimSpace(string(holder)))
	}
	// The holder's number is for the message above only, so a disk that is full may lose it.
	if err := file.Truncate(0); err == nil {
		_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lock{file}, nil
}

func unwritable(err error) error {
	return fmt.Errorf("the data directory cannot be written, set BRIDGE_DATA_DIR to one that can: %w", err)
}

// Release gives the directory back. The file stays: removing it would let two processes lock two files of one name.
func (l *Lock) Release() { _ = l.file.Close() }
