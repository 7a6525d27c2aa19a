package bridge

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// setenv makes the environment hold, of all variables that Load may look at, those given and no other.
func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		for _, prefix := range []string{"POLYGON_", "MASSIVE_", "BRIDGE_", "NATS_"} {
			if strings.HasPrefix(name, prefix) {
				t.Setenv(name, "") // for its clean-up, which restores the value
				_ = os.Unsetenv(name)
			}
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoadDefaults(t *testing.T) {
	setenv(t, map[string]string{"POLYGON_API_KEY": "k"})
	got, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.APIKey.Reveal() != "k" {
		t.Errorf("got key %q, want %q", got.APIKey.Reveal(), "k")
	}
	got.APIKey = Secret{}
	want := Config{
		RESTURL:        "https://api.massive.com",
		Backfill:       true,
		FeedURL:        "wss://delayed.massive.com/stocks",
		Market:         "stocks",
		Subscribe:      []string{"A.*"},
		DataDir:        "bridge-data",
		NATSAddr:       "127.0.0.1:4222",
		Stream:         "STOCKS",
		StreamReplicas: 1,
		StreamMaxAge:   72 * time.Hour,
		StreamMaxBytes: 20 << 30,
		SpoolMaxBytes:  10 << 30,
		SpoolRetain:    5 * time.Minute,
		QueueMaxBytes:  256 << 20,
		DrainTimeout:   10 * time.Second,
		HTTPAddr:       "127.0.0.1:8080",
		LogLevel:       slog.LevelInfo,
		LogFormat:      "json",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoadEverything(t *testing.T) {
	setenv(t, map[string]string{
		"POLYGON_API_KEY":          "k",
		"POLYGON_URL":              "wss://socket.massive.com/crypto",
		"POLYGON_SUBSCRIBE":        "XAS.*, XT.BTC-USD",
		"POLYGON_REST_URL":         "https://api.polygon.io",
		"BRIDGE_BACKFILL":          "false",
		"NATS_URL":                 "nats://a:4222, tls://b:4222",
		"NATS_USER":                "u",
		"NATS_PASSWORD":            "p",
		"BRIDGE_DATA_DIR":          "/data",
		"BRIDGE_NATS_ADDR":         ":4333",
		"BRIDGE_STREAM":            "COINS",
		"BRIDGE_STREAM_REPLICAS":   "3",
		"BRIDGE_STREAM_MAX_AGE":    "10m",
		"BRIDGE_STREAM_MAX_BYTES":  "1073741824",
		"BRIDGE_STREAM_UPDATE":     "true",
		"BRIDGE_SPOOL_MAX_BYTES":   "1TiB",
		"BRIDGE_SPOOL_RETAIN":      "1m",
		"BRIDGE_QUEUE_MAX_BYTES":   "1GB",
		"BRIDGE_DRAIN_TIMEOUT":     "1m",
		"BRIDGE_STANDBY":           "true",
		"BRIDGE_HTTP_ADDR":         "off",
		"BRIDGE_LOG_LEVEL":         "DEBUG",
		"BRIDGE_LOG_FORMAT":        "text",
		"NATS_PORT":                "tcp://10.0.0.1:4222", // Kubernetes', beside services of such names
		"NATS_SERVICE_HOST":        "10.0.0.1",
		"NATS_URLS":                "nats://c:4222", // somebody else's, as NATS_URL is set
		"BRIDGE_PORT":              "tcp://10.0.0.2:8080",
		"BRIDGE_PORT_8080_TCP":     "tcp://10.0.0.2:8080",
		"BRIDGE_SERVICE_PORT_HTTP": "8080",
		"BRIDGE_LOG_LEVELS":        "", // empty: not set
	})
	got, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if got.NATS.Password.Reveal() != "p" {
		t.Errorf("got password %q, want %q", got.NATS.Password.Reveal(), "p")
	}
	got.APIKey, got.NATS.Password = Secret{}, Secret{}
	want := Config{
		FeedURL:        "wss://socket.massive.com/crypto",
		Market:         "crypto",
		Subscribe:      []string{"XAS.*", "XT.BTC-USD"},
		RESTURL:        "https://api.polygon.io",
		NATS:           NATSConfig{URL: "nats://a:4222,tls://b:4222", User: "u"},
		DataDir:        "/data",
		NATSAddr:       ":4333",
		Stream:         "COINS",
		StreamReplicas: 3,
		StreamMaxAge:   10 * time.Minute,
		StreamMaxBytes: 1 << 30,
		StreamSet:      StreamSet{true, true, true},
		StreamUpdate:   true,
		SpoolMaxBytes:  1 << 40,
		SpoolRetain:    time.Minute,
		QueueMaxBytes:  1e9,
		DrainTimeout:   time.Minute,
		Standby:        true,
		LogLevel:       slog.LevelDebug,
		LogFormat:      "text",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What is subscribed to without a word is the second bars of the URL's market.
func TestDefaultSubscriptionIsTheMarkets(t *testing.T) {
	for market, want := range map[string]string{
		"stocks": "A.*", "options": "A.*", "indices": "A.*", "futures": "A.*", "forex": "CAS.*", "crypto": "XAS.*",
	} {
		setenv(t, map[string]string{"POLYGON_API_KEY": "k", "POLYGON_URL": "wss://socket.massive.com/" + market})
		if got, err := Load(); err != nil || !slices.Equal(got.Subscribe, []string{want}) {
			t.Errorf("%s: got %q, %v; want %s", market, got.Subscribe, err, want)
		}
	}
}

func TestTickersInLowerCase(t *testing.T) {
	got := lowerCase([]string{"A.*", "A.AAPL", "A.aapl", "T.BCpC", "T.brk.b", "V.I:SPX", "A.7203"})
	if want := []string{"A.aapl", "T.brk.b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEmptyVariableCountsAsUnset(t *testing.T) {
	env := map[string]string{"POLYGON_API_KEY": "k"}
	setenv(t, env)
	want, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settingsOf(new(environment)) {
		if s.name != "POLYGON_API_KEY" {
			env[s.name] = ""
		}
	}
	setenv(t, env)
	got, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	got.APIKey, want.APIKey = Secret{}, Secret{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Every problem names its variable and the remedy.
func TestLoadProblems(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, tt := range []struct{ name, value, want string }{
		{"POLYGON_API_KEY", "", "bridge demo"},
		{"POLYGON_URL", "https://socket.massive.com/stocks", "want ws:// or wss://"},
		{"POLYGON_URL", "wss:///stocks", "want ws:// or wss://"},
		{"POLYGON_URL", "socket.massive.com/stocks", "want ws:// or wss://"},
		{"POLYGON_URL", "wss://u:p@socket.massive.com/stocks", "POLYGON_API_KEY"},
		{"POLYGON_URL", "wss://socket.massive.com/stocks?apiKey=x", "POLYGON_API_KEY"},
		{"POLYGON_URL", "wss://socket.massive.com/shares", "stocks, options"},
		{"POLYGON_URL", "wss://socket massive.com/\x01", "want something like"},
		{"POLYGON_URL", "ws://127.0.0.1:87650/stocks", "want 1 to 65535"},
		{"POLYGON_REST_URL", "http://127.0.0.1:0", "want 1 to 65535"},
		{"POLYGON_SUBSCRIBE", "ZZ.AAPL", "no channel"},
		{"POLYGON_SUBSCRIBE", "A..*", "A..*"},
		{"BRIDGE_STREAM", "MY.STREAM", "no name for a stream"},
		{"BRIDGE_STREAM", "MY STREAM", "no name for a stream"},
		{"BRIDGE_STREAM_REPLICAS", "2", "want 1, 3 or 5"},
		{"BRIDGE_STREAM_REPLICAS", "3", "NATS_URL"},
		{"BRIDGE_STREAM_MAX_AGE", "3 days", "72h"},
		{"BRIDGE_STREAM_MAX_AGE", "1m", "at least 2m0s"},
		{"BRIDGE_STREAM_MAX_BYTES", "20 gigs", "20GiB"},
		{"BRIDGE_STREAM_MAX_BYTES", "20", "at least 1MiB"},
		{"BRIDGE_STREAM_MAX_BYTES", "9999999TiB", "20GiB"},
		{"BRIDGE_STREAM_MAX_BYTES", "-1", "20GiB"},
		{"BRIDGE_STREAM_UPDATE", "yes", "want true or false"},
		{"BRIDGE_STANDBY", "yes", "want true or false"},
		{"BRIDGE_STANDBY", "true", "set NATS_URL"},
		{"BRIDGE_QUEUE_MAX_BYTES", "1MiB", "at least 16MiB"},
		{"BRIDGE_SPOOL_MAX_BYTES", "1MiB", "at least 128MiB"},
		{"BRIDGE_SPOOL_RETAIN", "-1s", "at least 0s"},
		{"BRIDGE_DRAIN_TIMEOUT", "10", "10m"},
		{"BRIDGE_DRAIN_TIMEOUT", "-1s", "at least"},
		{"BRIDGE_HTTP_ADDR", "8080", "as in 127.0.0.1:8080, or :8080"},
		{"BRIDGE_HTTP_ADDR", ":http8", "host:port"},
		{"BRIDGE_NATS_ADDR", "localhost", "as in 127.0.0.1:4222, or :4222"},
		{"BRIDGE_LOG_LEVEL", "verbose", "want debug, info, warn or error"},
		{"BRIDGE_LOG_FORMAT", "xml", "want json or text"},
		{"BRIDGE_STREM", "X", "did you mean BRIDGE_STREAM?"},
		{"POLYGON_APIKEY", "X", "did you mean POLYGON_API_KEY?"},
		{"POLYGON_API_KEY_FIEL", "X", "did you mean POLYGON_API_KEY_FILE?"},
		{"BRIDGE_SOMETHING_ELSE_ALTOGETHER", "X", "bridge help"},
		{"POLYGON_API_KEY_FILE", "/nowhere", "POLYGON_API_KEY_FILE: no such file or directory: want the name of a file"},
		{"POLYGON_API_KEY_FILE", "/", "is a directory"},
		{"POLYGON_API_KEY_FILE", nowhere, nowhere + ": no such file or directory"},
		{"POLYGON_API_KEY_FILE", writeFile(t, "\n"), "is empty"},
		{"POLYGON_API_KEY_FILE", writeFile(t, "key\nanother\n"), "more than one line"},
		{"NATS_URL", "http://host", "want nats, tls, ws or wss"},
		{"NATS_URL", "nats://", "want nats://host:4222"},
		{"NATS_URL", "nats://host:65536", "want 1 to 65535"},
		{"NATS_URL", "nats://host:0", "want 1 to 65535"},
		{"NATS_URL", "nats://a,wss://b", "want all of them with ws:// or wss://, or none"},
		{"NATS_URLS", "nats://host", "did you mean NATS_URL?"},
		{"NATSURL", "nats://host", "did you mean NATS_URL?"},
		{"NATS_USER", "u", "NATS_PASSWORD is not"},
		{"NATS_CREDS", "user.creds", "NATS_CREDS: no such file or directory: want the name of a file"},
		{"NATS_CREDS", nowhere, nowhere + ": no such file or directory"},
		{"NATS_NKEY", "/nowhere.nk", "NATS_NKEY: no such file or directory: want the name of a file"},
		{"NATS_CA", "/nowhere.pem", "NATS_CA=/nowhere.pem: no such file or directory"},
		{"NATS_CERT", "/nowhere.pem", "NATS_KEY is not"},
		{"NATS_KEY", "/nowhere.pem", "NATS_CERT is not"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			env := map[string]string{"POLYGON_API_KEY": "k"}
			if strings.HasPrefix(tt.name, "NATS_") && !strings.HasPrefix(tt.name, "NATS_URL") {
				env["NATS_URL"] = "nats://localhost"
			}
			if tt.name == "POLYGON_API_KEY_FILE" {
				delete(env, "POLYGON_API_KEY")
			}
			env[tt.name] = tt.value
			setenv(t, env)
			_, err := Load()
			if err == nil {
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), tt.name) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %s and %q in it", err, tt.name, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one problem", err)
			}
			if ExitCode(err) != 2 {
				t.Errorf("got exit code %d, want 2", ExitCode(err))
			}
		})
	}
}

func TestLoadReportsAllProblemsAtOnce(t *testing.T) {
	setenv(t, map[string]string{
		"POLYGON_SUBSCRIBE":     "ZZ.*,A,,",
		"BRIDGE_STREAM_MAX_AGE": "x",
		"BRIDGE_LOG_LEVEL":      "x",
		"BRIDGE_HTTP_ADRR":      "x",
		"NATS_CA":               "/nowhere",
		"NATS_PASSWORD_FILE":    "/nowhere-either",
	})
	_, err := Load()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"POLYGON_API_KEY is not set", `"ZZ.*"`, `"A" has no channel`, "BRIDGE_STREAM_MAX_AGE=", "BRIDGE_LOG_LEVEL=", "BRIDGE_HTTP_ADRR", "NATS_CA=/nowhere", "NATS_PASSWORD_FILE", "NATS_URL is not"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.Contains(line, "POLYGON_") && !strings.Contains(line, "BRIDGE_") && !strings.Contains(line, "NATS_") {
			t.Errorf("no setting is named in %q", line)
		}
	}
}

func TestKeySources(t *testing.T) {
	file := writeFile(t, "from-file\r\n")
	for _, tt := range []struct {
		name, want string
		env        map[string]string
	}{
		{"variable", "a", map[string]string{"POLYGON_API_KEY": "a"}},
		{"file", "from-file", map[string]string{"POLYGON_API_KEY_FILE": file}},
		{"the vendor's new name", "m", map[string]string{"MASSIVE_API_KEY": "m"}},
		{"file of the new name", "from-file", map[string]string{"MASSIVE_API_KEY_FILE": file}},
		{"ours wins", "a", map[string]string{"POLYGON_API_KEY": "a", "MASSIVE_API_KEY": "m"}},
		{"our file wins", "from-file", map[string]string{"POLYGON_API_KEY_FILE": file, "MASSIVE_API_KEY": "m"}},
		{"both of one", "", map[string]string{"POLYGON_API_KEY": "a", "POLYGON_API_KEY_FILE": file}},
		{"both of the other", "", map[string]string{"MASSIVE_API_KEY": "a", "MASSIVE_API_KEY_FILE": file}},
		{"empty file", "", map[string]string{"POLYGON_API_KEY_FILE": writeFile(t, "\n")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, tt.env)
			cfg, err := Load()
			if (err != nil) != (tt.want == "") || cfg.APIKey.Reveal() != tt.want {
				t.Errorf("got %q, %v; want %q", cfg.APIKey.Reveal(), err, tt.want)
			}
		})
	}
}

func TestNoSecretInConfigOrErrors(t *testing.T) {
	good := map[string]string{
		"POLYGON_API_KEY": secretText,
		"NATS_URL":        "nats://user:" + secretText + "@a:4222,nats://user:" + secretText + "@b:4222",
	}
	setenv(t, good)
	cfg, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.NATS.URL != "nats://a:4222,nats://b:4222" || cfg.NATS.User != "user" || cfg.NATS.Password.Reveal() != secretText {
		t.Errorf("got %+v, want the user moved out of the URL", cfg.NATS)
	}
	private := struct{ cfg Config }{cfg}
	for _, v := range []any{cfg, &cfg, private, &private} {
		for how, text := range prints(t, v) {
			if leaks(text) {
				t.Errorf("by %s: %s", how, text)
			}
		}
	}

	_, certFile, _ := certificate(t)
	for name, env := range map[string]map[string]string{
		"key file":        {"POLYGON_API_KEY_FILE": secretText},
		"bad feed URL":    {"POLYGON_URL": "wss://" + secretText + "@host:x/stocks"},
		"key in the URL":  {"POLYGON_URL": "wss://host/stocks?apiKey=" + secretText},
		"key as port":     {"POLYGON_URL": "wss://host:" + secretText},
		"bad NATS URL":    {"NATS_URL": "nats://u:" + secretText + "@host:x"},
		"two users":       {"NATS_URL": "nats://u:" + secretText + "@a,nats://v:" + secretText + "@b"},
		"user twice":      {"NATS_URL": "nats://u:" + secretText + "@a", "NATS_USER": "u"},
		"token and user":  {"NATS_URL": "nats://" + secretText + "@a", "NATS_USER": "u"},
		"three ways":      {"NATS_URL": "nats://" + secretText + "@a", "NATS_USER": "u", "NATS_NKEY": writeFile(t, "SU")},
		"misspelt":        {"POLYGON_APIKEY": secretText},
		"key for a URL":   {"POLYGON_URL": secretText},
		"key as path":     {"POLYGON_URL": "wss://host/" + secretText},
		"key elsewhere":   {"POLYGON_URL": "https://host/" + secretText},
		"key for REST":    {"POLYGON_REST_URL": secretText},
		"key in REST":     {"POLYGON_REST_URL": "https://host?apiKey=" + secretText},
		"token in query":  {"NATS_URL": "nats://host?token=" + secretText},
		"token with ?":    {"NATS_URL": "nats://a?" + secretText + "@host"},
		"token ends by ?": {"NATS_URL": "nats://" + secretText + "?"},
		"token with #":    {"NATS_URL": "nats://" + secretText + "#b@host"},
		"token with /":    {"NATS_URL": "tls://" + secretText + "/b@host:4222"},
		"token for ws":    {"NATS_URL": "wss://" + secretText + "/b@host"},
		"password with /": {"NATS_URL": "nats://u:1/" + secretText + "@host"},
		"fragment":        {"NATS_URL": "nats://host#" + secretText},
		"path":            {"NATS_URL": "nats://host/" + secretText},
		"password, no @":  {"NATS_URL": "nats://" + secretText + ":99999"},
		"password file":   {"NATS_URL": "nats://a", "NATS_USER": "u", "NATS_PASSWORD_FILE": secretText},
		"seed for file":   {"NATS_URL": "nats://a", "NATS_NKEY": "SU" + secretText},
		"creds for file":  {"NATS_URL": "nats://a", "NATS_CREDS": "-----BEGIN NATS USER JWT-----\n" + strings.Repeat(secretText, 99)},
		"key for file":    {"NATS_URL": "nats://a", "NATS_CERT": certFile, "NATS_KEY": "-----BEGIN PRIVATE KEY-----\n/" + secretText},
		"keys for files":  {"NATS_URL": "nats://a", "NATS_CERT": "-----BEGIN PRIVATE KEY-----\n" + secretText, "NATS_KEY": secretText},
		"no PEM":          {"NATS_URL": "nats://a", "NATS_CERT": certFile, "NATS_KEY": writeFile(t, secretText)},
		"seed":            {"NATS_URL": "nats://a", "NATS_NKEY": writeFile(t, "SU"+secretText)},
		"creds":           {"NATS_URL": "nats://a", "NATS_CREDS": writeFile(t, secretText)},
	} {
		t.Run(name, func(t *testing.T) {
			if env["POLYGON_API_KEY_FILE"] == "" {
				env["POLYGON_API_KEY_FILE"] = writeFile(t, secretText)
			}
			setenv(t, env)
			_, err := Load()
			if err == nil {
				t.Fatal("got no error")
			}
			t.Log(err)
			for how, text := range prints(t, err) {
				// By %#v and wrong verbs an error prints what it is made of, which is no secret either.
				if leaks(text) {
					t.Errorf("by %s: %s", how, text)
				}
			}
		})
	}
}

func TestTokenInURL(t *testing.T) {
	setenv(t, map[string]string{"POLYGON_API_KEY": "k", "NATS_URL": "nats://" + secretText + "@a"})
	cfg, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.NATS.URL != "nats://a" || cfg.NATS.Token.Reveal() != secretText || cfg.NATS.User != "" {
		t.Errorf("got %+v, want a token", cfg.NATS)
	}
}

func TestOneWayToLogIn(t *testing.T) {
	_, seed := userKey(t)
	nkey := writeFile(t, seed)
	for _, tt := range []struct{ url, want string }{
		{"nats://a", "NATS_NKEY and NATS_USER are both set"},
		{"nats://token@a", "NATS_URL has a user, and so has NATS_USER"},
	} {
		setenv(t, map[string]string{"POLYGON_API_KEY": "k", "NATS_URL": tt.url, "NATS_NKEY": nkey, "NATS_USER": "u", "NATS_PASSWORD": "p"})
		if _, err := Load(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.url, err, tt.want)
		}
	}
	c := NATSConfig{Creds: "c", NKey: "n", User: "u", Password: NewSecret("p")}
	if err := c.checkAccount(); err == nil || !strings.Contains(err.Error(), "NATS_CREDS, NATS_NKEY, NATS_USER are all set") {
		t.Errorf("got %v, want the three", err)
	}
}

func TestLoadErrorIsConfigError(t *testing.T) {
	setenv(t, nil)
	_, err := Load()
	if _, ok := errors.AsType[*ConfigError](err); !ok {
		t.Errorf("got %T, want *ConfigError", err)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "1KiB": 1 << 10, "512MiB": 512 << 20, "20GiB": 20 << 30, "2 TiB": 2 << 40,
		"1KB": 1e3, "1MB": 1e6, "1GB": 1e9, "1TB": 1e12, "8388607TiB": 8388607 << 40,
	} {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
		if again, err := parseSize(formatSize(want)); again != want || err != nil {
			t.Errorf("%d is written as %q, which is read as %d, %v", want, formatSize(want), again, err)
		}
	}
	if got := formatSize(20<<30) + " " + formatSize(1e9); got != "20GiB 1GB" {
		t.Errorf("got %q, want whole sizes in their own unit", got)
	}
	for _, text := range []string{"", "x", "1.5GiB", "-1", "8388608TiB", "9223372036854775808", "1gib", "GiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestSettingsTablesShowEverySetting(t *testing.T) {
	var help strings.Builder
	if err := WriteSettings(&help); err != nil {
		t.Fatal(err)
	}
	markdown := settingsMarkdown()
	for _, s := range settingsOf(new(environment)) {
		if s.name == "" || s.desc == "" {
			t.Errorf("setting %q has no name or no description", s.name)
		}
		if !strings.Contains(help.String(), "  "+s.name) || !strings.Contains(help.String(), s.fallback) {
			t.Errorf("help lacks %s (%s)", s.name, s.fallback)
		}
		if !strings.Contains(markdown, "| `"+s.name+"` |") || !strings.Contains(markdown, s.desc) {
			t.Errorf("the README's table lacks %s", s.name)
		}
	}
	for line := range strings.Lines(help.String()) {
		if len(line) > 94 {
			t.Errorf("line of %d letters in help: %s", len(line), line)
		}
	}
}
