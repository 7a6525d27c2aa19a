package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/bridge"
)

// mainVar makes the test binary the command itself.
const mainVar = "COMMAND_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVar) != "" {
		main()
	}
	os.Exit(m.Run())
}

// setenv makes the environment hold, of all that the bridge may look at, what is given and nothing else.
func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		switch prefix, _, _ := strings.Cut(name, "_"); prefix {
		case "POLYGON", "MASSIVE", "BRIDGE", "NATS":
			t.Setenv(name, "")
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// call runs a command to its end.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return callContext(t.Context(), args...)
}

func callContext(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// output is a command's output while it runs.
type output struct {
	mu   sync.Mutex // guards what follows
	text strings.Builder
	want *regexp.Regexp
	seen chan []string // capacity 1: the first match of want
}

func newOutput(want string) *output {
	return &output{want: regexp.MustCompile(want), seen: make(chan []string, 1)}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if m := o.want.FindStringSubmatch(o.text.String()); m != nil {
		select {
		case o.seen <- m:
		default:
		}
	}
	return len(p), nil
}

// next has await wait for something else, of which nothing was written yet.
func (o *output) next(want string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.want = regexp.MustCompile(want)
	select {
	case <-o.seen: // the last one, again
	default:
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// background runs a command until the test ends or stop is called, which returns its exit code.
func background(t *testing.T, stdout, stderr *output, args ...string) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, stdout, stderr) }()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-code
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%v wrote\n%s%s", args, stdout, stderr)
		}
	})
	return stop
}

// await returns what an output was to match, with its groups.
func await(t *testing.T, o *output) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case m := <-o.seen:
		return m
	case <-ctx.Done():
		t.Fatalf("no %q in the output", o.want)
		return nil
	}
}

func TestWrongCommandLines(t *testing.T) {
	setenv(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a command that starts all the same ends at once
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"demmo"}, "no command \"demmo\"; did you mean demo?\n"},
		{[]string{"-config", "x"}, "no command \"-config\"\n"},
		{[]string{"version", "now"}, "what is now?"},
		{[]string{"help", "demmo"}, `no command "demmo"`},
		{[]string{"help", "demo", "now"}, "what is now?"},
		{[]string{"healthcheck", "-x"}, "not defined: -x"},
		{[]string{"demo", "now"}, "what is now?"},
		{[]string{"demo", "-colour"}, "not defined: -colour"},
		{[]string{"demo", "-for", "soon"}, "invalid value"},
		{[]string{"demo", "-for", "-5s"}, "-for -5s: want 0 or more"},
		{[]string{"demo", "-symbols", "0"}, "-symbols 0: want 1 to"},
		{[]string{"demo", "-symbols", "5", "-rate", "6"}, "-rate 6"},
		{[]string{"simulate", "-rate", "-1"}, "-rate -1"},
		{[]string{"simulate", "-symbols", "1000000"}, "-symbols 1000000"},
		{[]string{"simulate", "-events-per-frame", "0"}, "-events-per-frame 0"},
		{[]string{"simulate", "-rest", "-1s"}, "-rest -1s: want 0 to 8760h"},
		{[]string{"simulate", "-past", "-10m"}, "-past -10m0s: want 0 to 8760h"},
		{[]string{"simulate", "-past", "2562047h"}, "-past 2562047h0m0s: want 0 to 8760h"},
		{[]string{"simulate", "-rest", "2562047h", "-past", "1h"}, "-rest 2562047h0m0s: want 0 to 8760h"},
		{[]string{"simulate", "-addr", "junk"}, `-addr "junk": want host:port`},
		{[]string{"simulate", "-addr", "127.0.0.1:99999"}, `-addr "127.0.0.1:99999": want host:port`},
		{[]string{"simulate", "-addr", ""}, `-addr "": want host:port`},
		{[]string{"", "foo"}, `no command ""`},
		{[]string{""}, `no command ""`},
		{[]string{"help", ""}, `no command ""`},
		{[]string{"simulate", ":8765"}, "what is :8765?"},
	} {
		code, stdout, stderr := callContext(ctx, tt.args...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "usage:") {
			t.Errorf("%q: got %d, %q, %q; want 2 and %q with the usage", tt.args, code, stdout, stderr, tt.want)
		}
		if name := tt.args[0]; name == "demo" || name == "simulate" {
			if !strings.Contains(stderr, "usage: bridge "+name) || !strings.Contains(stderr, "-symbols") {
				t.Errorf("%q: got %q, want how to call %s", tt.args, stderr, name)
			}
		}
	}
}

func TestEachCommandSaysHowToCallIt(t *testing.T) {
	for _, c := range commands()[1:] { // the first has no name
		code, own, stderr := call(t, c.name, "-h")
		if code != 0 || stderr != "" || !strings.Contains(own, "usage:") || !strings.Contains(own, c.summary) {
			t.Errorf("%s -h: got %d, %q, %q; want the usage and %q", c.name, code, own, stderr, c.summary)
		}
		if code, stdout, stderr := call(t, "help", c.name); code != 0 || stderr != "" || stdout != own {
			t.Errorf("help %s: got %d, %q, %q; want what -h says: %q", c.name, code, stdout, stderr, own)
		}
	}
	for _, name := range []string{"demo", "simulate"} {
		if _, stdout, _ := call(t, name, "-h"); !strings.Contains(stdout, "-symbols") {
			t.Errorf("%s -h: got %q, want the flags", name, stdout)
		}
	}
}

func TestHelpShowsCommandsAndSettings(t *testing.T) {
	for _, arg := range []string{"help", "-h", "--help"} {
		code, stdout, stderr := call(t, arg)
		if code != 0 || stderr != "" {
			t.Errorf("%s: got %d, %q", arg, code, stderr)
		}
		for _, c := range commands() {
			if !strings.Contains(stdout, "bridge "+c.name) || !strings.Contains(stdout, c.summary) {
				t.Errorf("%s: command %q is missing", arg, c.name)
			}
		}
		var settings bytes.Buffer
		if err := bridge.WriteSettings(&settings); err != nil || !strings.Contains(stdout, settings.String()) {
			t.Errorf("%s: the settings are missing", arg)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "-v", "--version"} {
		if code, stdout, _ := call(t, arg); code != 0 || !strings.HasPrefix(stdout, "bridge "+bridge.Version()+", go1.") {
			t.Errorf("%s: got %d, %q", arg, code, stdout)
		}
	}
}

func TestWrongSettingsExitWithTwo(t *testing.T) {
	setenv(t, map[string]string{"BRIDGE_LOG_LEVEL": "loud"})
	code, _, stderr := call(t)
	if code != 2 || !strings.Contains(stderr, "bridge: POLYGON_API_KEY is not set") || !strings.Contains(stderr, "bridge: BRIDGE_LOG_LEVEL=") {
		t.Errorf("got %d, %q; want 2 and each problem on a line of its own", code, stderr)
	}
}

// The last line is for those who read the lines before: a program in JSON, a person in text.
func TestGivingUpIsInTheLogsFormat(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for format, want := range map[string]string{
		"json": `^{"time":"[^"]+","level":"ERROR","msg":"bridge gave up","err":".*BRIDGE_HTTP_ADDR.*"}\n$`,
		"text": `^bridge: .*BRIDGE_HTTP_ADDR.*\n$`,
	} {
		setenv(t, map[string]string{"POLYGON_API_KEY": "k", "BRIDGE_HTTP_ADDR": l.Addr().String(), "BRIDGE_LOG_FORMAT": format})
		if code, _, stderr := call(t); code != 2 || !regexp.MustCompile(want).MatchString(stderr) {
			t.Errorf("%s: got %d, %q; want 2 and one line like %s", format, code, stderr, want)
		}
	}
}

func TestHealthcheckThatCannotBe(t *testing.T) {
	setenv(t, map[string]string{"BRIDGE_HTTP_ADDR": "off"})
	if code, _, stderr := call(t, "healthcheck"); code != 2 || !strings.Contains(stderr, "BRIDGE_HTTP_ADDR") {
		t.Errorf("off: got %d, %q", code, stderr)
	}
	setenv(t, map[string]string{"BRIDGE_HTTP_ADDR": "127.0.0.1:1"})
	if code, _, stderr := call(t, "healthcheck"); code != 1 || stderr == "" {
		t.Errorf("nobody there: got %d, %q", code, stderr)
	}
}

// The commands work together as compose uses them: a simulated feed, the bridge, and its health.
func TestBridgeOnSimulatedFeed(t *testing.T) {
	simOut := newOutput(`on (ws://\S+)\n`)
	stopSim := background(t, simOut, newOutput(`$^`), "simulate", "-addr", "127.0.0.1:0", "-symbols", "20", "-rate", "0", "-key", "k")
	feed := await(t, simOut)[1]

	setenv(t, map[string]string{
		"POLYGON_API_KEY":  "k",
		"POLYGON_URL":      feed,
		"BRIDGE_DATA_DIR":  filepath.Join(t.TempDir(), "data"),
		"BRIDGE_NATS_ADDR": "127.0.0.1:0",
		"BRIDGE_HTTP_ADDR": freeAddr(t),
	})
	log := newOutput(`session streaming`)
	stopBridge := background(t, newOutput(`$^`), log)
	await(t, log)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for code := 1; code != 0; code, _, _ = call(t, "healthcheck") {
		if ctx.Err() != nil {
			t.Fatal("never ready")
		}
	}
	if code := stopBridge(); code != 0 {
		t.Errorf("bridge: got exit code %d, want 0 when asked to stop", code)
	}
	if code := stopSim(); code != 0 {
		t.Errorf("simulate: got exit code %d, want 0", code)
	}
}

// TestProcessors: the bridge takes one processor, unless it is told how many or has a NATS server in it.
func TestProcessors(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		want int
	}{
		{"NATS elsewhere", []string{"NATS_URL=nats://" + freeAddr(t)}, 1},
		{"told", []string{"NATS_URL=nats://" + freeAddr(t), "GOMAXPROCS=7"}, 7},
		{"NATS within", []string{"BRIDGE_NATS_ADDR=127.0.0.1:0", "BRIDGE_DATA_DIR=" + t.TempDir(), "GOMAXPROCS=" + os.Getenv("GOMAXPROCS")}, runtime.GOMAXPROCS(0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, log := freeAddr(t), newOutput("bridge started")
			ctx, kill := context.WithCancel(t.Context())
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(tt.env, mainVar+"=1", "POLYGON_API_KEY=k", "POLYGON_URL=ws://"+freeAddr(t)+"/stocks", "BRIDGE_HTTP_ADDR="+addr)
			cmd.Stderr = log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer kill()
			await(t, log)
			resp, err := http.Get("http://" + addr + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			page, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("\ngo_sched_gomaxprocs_threads %d\n", tt.want); !bytes.Contains(page, []byte(want)) {
				t.Errorf("no %q in the metrics", want)
			}
		})
	}
}

func TestSimulateOnATakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Fewer tickers than the usual rate has bars are no mistake.
	if code, _, stderr := call(t, "simulate", "-symbols", "3", "-addr", l.Addr().String()); code != 1 || !strings.Contains(stderr, "-addr") {
		t.Errorf("got %d, %q; want 1 and -addr", code, stderr)
	}
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
