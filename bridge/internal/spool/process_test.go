package spool

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// appenderVar makes the test binary a process that appends to the log in the directory that it names, until it is killed.
const appenderVar = "SPOOL_TEST_APPENDER"

func TestMain(m *testing.M) {
	if path := os.Getenv(appenderVar); path != "" {
		appendForEver(path)
	}
	os.Exit(m.Run())
}

// appendForEver appends bursts, and says after each how many records are written.
func appendForEver(path string) {
	l, err := Open(path, roomy(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	rng := rand.New(rand.NewPCG(uint64(os.Getpid()), 0))
	for seq := l.last + 1; ; {
		for range rng.IntN(200) {
			if err := l.Append(0, frame(seq, rng.IntN(4_000)), timeFor(seq)); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			seq++
		}
		if rng.IntN(2) == 0 {
			for unwrittenBytes(l) > 0 {
			}
			fmt.Println(seq - 1)
		}
	}
}

// appender starts a process that appends, and returns what it prints.
func appender(t testing.TB, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), appenderVar+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// TestKill kills a process that appends, again and again. What it had written is there, as it was appended and without a
// hole, and the next process goes on behind it.
func TestKill(t *testing.T) {
	path := t.TempDir()
	var book logBook
	acked := uint64(0)
	for round := range 6 {
		cmd, lines := appender(t, path)
		written := uint64(0)
		for range 10 {
			if !lines.Scan() {
				t.Fatal("the process ended by itself")
			}
			n, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(lines.Text())
			}
			written = n
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()

		l, err := Open(path, roomy(book.logger()))
		if err != nil {
			t.Fatal(err)
		}
		got := rest(t, l)
		if len(got) == 0 || got[0] != acked+1 || got[len(got)-1] < written || uint64(len(got)) != got[len(got)-1]-acked {
			t.Fatalf("round %d: %d records from %d to %d, want all from %d to at least %d", round, len(got), got[0], got[len(got)-1], acked+1, written)
		}
		if l.Damaged() > 0 {
			t.Errorf("round %d: %d damaged places", round, l.Damaged())
		}
		acked = got[len(got)/2]
		l.Ack(acked, Mark{})
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOneProcessPerDirectory: a second one is refused, with the number of the first, and let in when that is dead.
func TestOneProcessPerDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "there", "yet")
	cmd, lines := appender(t, path)
	if !lines.Scan() {
		t.Fatal("the process ended by itself")
	}
	_, err := Open(path, roomy(nil))
	if err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)+":") || !strings.Contains(err.Error(), "BRIDGE_DATA_DIR") {
		t.Errorf("got %v, want one with the process %d", err, cmd.Process.Pid)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	l, err := Open(path, roomy(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenNamesTheSetting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly := t.TempDir()
	if err := os.Chmod(readOnly, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, culprit string }{
		{"a file", file, file},
		{"below a file", filepath.Join(file, "spool"), file},
		{"read-only", readOnly, readOnly},
	} {
		if tt.path == readOnly && os.Geteuid() == 0 {
			continue // may write everywhere
		}
		_, err := Open(tt.path, Options{MaxBytes: 1, MemoryBytes: 1, Retain: time.Hour})
		if err == nil || !strings.Contains(err.Error(), "BRIDGE_DATA_DIR") || !strings.Contains(err.Error(), tt.culprit) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}
