package bridge

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"bridge/polygon/polygontest"
)

// permissionsOfREADME returns what the README lets a bridge's NATS user do, alone and with BRIDGE_STANDBY=true.
func permissionsOfREADME(t *testing.T) (alone, both string) {
	t.Helper()
	_, both, _ = strings.Cut(fileText(t, "../README.md"), "```\npermissions: {\n")
	both, _, _ = strings.Cut(both, "```")
	alone, standby, found := strings.Cut(both, "    # with BRIDGE_STANDBY=true\n")
	_, rest, end := strings.Cut(standby, "]")
	if !found || !end {
		t.Fatal("the README has no permissions, or does not tell which are for BRIDGE_STANDBY=true")
	}
	return "permissions: {\n" + alone + "]" + rest, "permissions: {\n" + both
}

// withoutDirectGets are the permissions that the README tells for a stream that is there, and does not allow direct gets.
func withoutDirectGets(permissions string) string {
	return strings.NewReplacer(
		`"$JS.API.DIRECT.GET.STOCKS"`, `"$JS.API.STREAM.MSG.GET.STOCKS"`,
		`"$JS.API.DIRECT.GET.STOCKS.>"`, "",
		`"$JS.API.STREAM.CREATE.STOCKS"`, "",
	).Replace(permissions)
}

// TestREADMEPermissions: what the README lets a bridge's NATS user do is enough to store bars and to fill those that were missed between
// one bridge and the next, and none of it is too much.
func TestREADMEPermissions(t *testing.T) {
	t.Parallel()
	alone, both := permissionsOfREADME(t)
	for _, tt := range []struct {
		name        string
		permissions string
		standby     bool
		direct      bool // gets are allowed by the stream
	}{
		{"alone", alone, false, true},
		{"with standby", both, true, true},
		{"without direct gets", withoutDirectGets(alone), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t, fmt.Sprintf("trace: true, authorization { users: [ { user: test, password: p }, { user: bridge, password: p, %s } ] }", tt.permissions))
			bridgesURL := strings.Replace(s.url, "//", "//bridge:p@", 1)
			s.url = strings.Replace(s.url, "//", "//test:p@", 1)
			s.up()
			if !tt.direct {
				cfg := briefStream()
				cfg.AllowDirect = false
				if _, err := connect(t, s.url).CreateStream(t.Context(), cfg); err != nil {
					t.Fatal(err)
				}
			}
			// REST is so late that the feed has sent more of every ticker before the gap is filled.
			srv := newLiveMarket(t, 10_000, polygontest.REST{Lag: 5 * time.Second})
			newOne := func() *process {
				return newFillingBridge(t, srv, bridgesURL, fmt.Sprintf("BRIDGE_STANDBY=%v", tt.standby))
			}
			first, second := newOne(), newOne()
			if !tt.standby { // it looks who has the lease
				holdLease(t, s.url)
			}
			first.start()
			stored(t, s.url, 60)
			if tt.standby {
				second.start()
				second.says("standing by")
			}
			for range 4 { // while there is none, and a while longer
				srv.NextSession(polygontest.RefuseUpgrade(503))
			}
			first.stop()
			if !tt.standby {
				second.start()
			}
			if g := awaitOutcome(t, s.url, 1)[0]; g.State != gapFilled || g.Outcome.Published == 0 {
				t.Errorf("got %+v %+v, want it filled", g, g.Outcome)
			}
			second.stop()
			checkPermissionsUsed(t, tt.permissions, s.log.String())
		})
	}
}

// TestREADMEPermissionsWithoutDirectGets: they are enough for a stream that does not allow direct gets, too, also after a silence.
func TestREADMEPermissionsWithoutDirectGets(t *testing.T) {
	t.Parallel()
	alone, _ := permissionsOfREADME(t)
	s := newNATS(t, fmt.Sprintf("authorization { users: [ { user: test, password: p }, { user: bridge, password: p, %s } ] }", alone))
	bridgesURL := strings.Replace(s.url, "//", "//bridge:p@", 1)
	s.url = strings.Replace(s.url, "//", "//test:p@", 1)
	s.up()
	cfg := briefStream()
	cfg.AllowDirect = false
	if _, err := connect(t, s.url).CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	d := startDelivery(t, testConfig(bridgesURL))
	tp := newTape(26)
	for range 2 {
		d.append(tp, 10, 20)
		d.settled(0)
		silent(t, time.Now())
	}
	if log := d.log.String(); strings.Contains(log, "denies") {
		t.Error(log)
	}
}

// checkPermissionsUsed compares the subjects that the bridge's user may publish to with those of a server's trace.
func checkPermissionsUsed(t *testing.T, permissions, trace string) {
	t.Helper()
	published := ""
	for line := range strings.Lines(trace) {
		if strings.Contains(line, "Violation") {
			t.Error(line)
		}
		if strings.Contains(line, "user:bridge") && strings.Contains(line, "PUB ") {
			published += line
		}
	}
	publish, _, _ := strings.Cut(permissions, "]")
	for _, m := range regexp.MustCompile(`"(.*)"`).FindAllStringSubmatch(publish, -1) {
		subject := "PUB " + strings.TrimRight(m[1], "*>")
		if !strings.HasSuffix(subject, ".") {
			subject += " " // and no more tokens
		}
		if !strings.Contains(published, subject) {
			t.Errorf("%s is allowed, and of no use", m[1])
		}
	}
}
