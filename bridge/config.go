package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/polygon"
)

// Config is what the bridge needs to know. Load reads it from the environment. Printed in whatever
// way, it shows no secret.
type Config struct {
	APIKey    Secret
	FeedURL   string
	Market    polygon.Market // named by the path of FeedURL
	Subscribe []string       // parameters, as in A.*
	RESTURL   string         // where gaps are filled from
	Backfill  bool           // gaps are filled, and not only recorded

	NATS     NATSConfig
	DataDir  string // of the queue and the embedded NATS server; empty for a queue in memory
	NATSAddr string // on which the embedded NATS server listens

	Stream         string
	StreamReplicas int
	StreamMaxAge   time.Duration
	StreamMaxBytes int64
	StreamSet      StreamSet
	StreamUpdate   bool // an existing stream may be changed

	SpoolMaxBytes int64
	SpoolRetain   time.Duration
	QueueMaxBytes int64
	Standby       bool // beside another bridge: one is active
	DrainTimeout  time.Duration

	HTTPAddr  string // of health and metrics; empty for none
	LogLevel  slog.Level
	LogFormat string // FormatJSON or FormatText
}

// StreamSet says which limits of the stream hold for one that exists, too: those that were set. The others are for one that is made.
type StreamSet struct{ Replicas, MaxAge, MaxBytes bool }

const (
	leastMaxAge = duplicateWindow // the server refuses a stream that forgets messages before their ids
	// leastSpool is a few of the spool's files.
	leastSpool = 128 << 20
	// leastQueue is the size of the largest frame that is read.
	leastQueue = 16 << 20
	// defaultDataDir is where the embedded NATS server is when nobody says otherwise.
	defaultDataDir = "bridge-data"
	// leastStream is small enough for any test and too large for a forgotten unit.
	leastStream = 1 << 20
)

// Load reads the configuration from the environment. The error joins every problem that was found;
// each names the variable and the remedy, and none shows a secret. It is a *ConfigError.
func Load() (Config, error) {
	env, err := readEnvironment()
	p := &parser{problems: []error{err}}
	cfg := Config{
		APIKey:         env.APIKey,
		FeedURL:        env.FeedURL,
		RESTURL:        env.RESTURL,
		DataDir:        env.DataDir,
		NATSAddr:       p.address("BRIDGE_NATS_ADDR", env.NATSAddr),
		Stream:         env.Stream,
		StreamMaxAge:   p.duration("BRIDGE_STREAM_MAX_AGE", env.StreamMaxAge, leastMaxAge),
		StreamMaxBytes: p.size("BRIDGE_STREAM_MAX_BYTES", env.StreamMaxBytes, leastStream),
		SpoolMaxBytes:  p.size("BRIDGE_SPOOL_MAX_BYTES", env.SpoolMaxBytes, leastSpool),
		SpoolRetain:    p.duration("BRIDGE_SPOOL_RETAIN", env.SpoolRetain, 0),
		QueueMaxBytes:  p.size("BRIDGE_QUEUE_MAX_BYTES", env.QueueMaxBytes, leastQueue),
		DrainTimeout:   p.duration("BRIDGE_DRAIN_TIMEOUT", env.DrainTimeout, time.Millisecond),
		LogLevel:       p.level("BRIDGE_LOG_LEVEL", env.LogLevel),
		LogFormat:      p.oneOf("BRIDGE_LOG_FORMAT", env.LogFormat, FormatJSON, FormatText),
	}
	cfg.Backfill = p.truth("BRIDGE_BACKFILL", env.Backfill)
	cfg.StreamSet = StreamSet{isSet("BRIDGE_STREAM_REPLICAS"), isSet("BRIDGE_STREAM_MAX_AGE"), isSet("BRIDGE_STREAM_MAX_BYTES")}
	cfg.StreamUpdate = p.truth("BRIDGE_STREAM_UPDATE", env.StreamUpdate)
	cfg.Standby = p.truth("BRIDGE_STANDBY", env.Standby)
	cfg.StreamReplicas, _ = strconv.Atoi(p.oneOf("BRIDGE_STREAM_REPLICAS", env.StreamReplicas, "1", "3", "5"))
	if env.HTTPAddr != "off" {
		cfg.HTTPAddr = p.address("BRIDGE_HTTP_ADDR", env.HTTPAddr)
	}
	p.feed(&cfg, env)
	p.rest(&cfg)
	p.stream(&cfg)
	cfg.NATS, err = natsConfig(env)
	p.problem(err)
	if cfg.NATS.URL == "" && cfg.DataDir == "" {
		cfg.DataDir = defaultDataDir
	}
	if cfg.NATS.URL == "" && cfg.StreamReplicas > 1 {
		p.problem(fmt.Errorf("BRIDGE_STREAM_REPLICAS=%d needs a NATS cluster: set NATS_URL, or leave it at 1", cfg.StreamReplicas))
	}
	if cfg.NATS.URL == "" && cfg.Standby {
		p.problem(errors.New("BRIDGE_STANDBY=true needs a NATS server that both bridges reach: set NATS_URL"))
	}
	if err := errors.Join(p.problems...); err != nil {
		return Config{}, &ConfigError{err}
	}
	return cfg, nil
}

// parser collects the problems of the settings that it parses.
type parser struct{ problems []error }

func (p *parser) problem(err error) {
	if err != nil {
		p.problems = append(p.problems, err)
	}
}

func (p *parser) feed(cfg *Config, env environment) {
	if cfg.APIKey.IsZero() {
		p.problem(errors.New("POLYGON_API_KEY is not set: put your key of massive.com into it, or name a file that holds it in POLYGON_API_KEY_FILE (`bridge demo` needs no key)"))
	}
	// The value is not shown: people paste keys, and URLs with keys in them.
	u, err := url.Parse(cfg.FeedURL)
	switch {
	case err != nil:
		p.problem(errors.New("POLYGON_URL does not parse: want something like wss://socket.massive.com/stocks"))
		return
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		p.problem(errors.New("POLYGON_URL has a user, a query or a fragment: want scheme, host and path only; the key belongs in POLYGON_API_KEY"))
		return
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "":
		p.problem(errors.New("POLYGON_URL is no WebSocket: want ws:// or wss://, as in wss://socket.massive.com/stocks; the key belongs in POLYGON_API_KEY"))
		return
	case !possiblePort(u):
		p.problem(errors.New("POLYGON_URL has a port that cannot be: want 1 to 65535, or none, as in wss://socket.massive.com/stocks"))
		return
	}
	if cfg.Market, err = polygon.MarketOf(cfg.FeedURL); err != nil {
		p.problem(fmt.Errorf("POLYGON_URL: %w", err))
		return
	}
	if env.Subscribe == "" {
		env.Subscribe = secondBars(cfg.Market)
	}
	if cfg.Subscribe, err = cfg.Market.ParseSubscription(env.Subscribe); err != nil {
		for line := range strings.Lines(err.Error()) {
			p.problem(errors.New("POLYGON_SUBSCRIBE: " + strings.TrimSuffix(line, "\n")))
		}
	}
}

// secondBars is the parameter for the second bars of everything in a market. Every market has them.
func secondBars(m polygon.Market) string {
	channels := m.Channels()
	i := slices.IndexFunc(channels, func(c *polygon.Channel) bool { return c.Kind == polygon.KindAgg })
	return channels[i].Type + ".*"
}

func (p *parser) rest(cfg *Config) {
	if !cfg.Backfill || cfg.APIKey.IsZero() {
		return
	}
	if _, err := newREST(*cfg); err != nil {
		p.problem(fmt.Errorf("POLYGON_REST_URL: %w", err))
	} else if u, err := url.Parse(cfg.RESTURL); err == nil && !possiblePort(u) {
		p.problem(errors.New("POLYGON_REST_URL has a port that cannot be: want 1 to 65535, or none, as in https://api.massive.com"))
	}
}

// possiblePort reports whether a URL has no port, or one that can be.
func possiblePort(u *url.URL) bool {
	port := u.Port()
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

func (p *parser) stream(cfg *Config) {
	if cfg.Stream == "" {
		cfg.Stream = strings.ToUpper(string(cfg.Market))
	}
	if strings.ContainsFunc(cfg.Stream, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`.*>/\`, r) }) {
		p.problem(fmt.Errorf(`BRIDGE_STREAM=%q is no name for a stream: no blanks and none of . * > / \`, cfg.Stream))
	}
}

// usualPort of the settings that are addresses.
var usualPort = map[string]string{"BRIDGE_HTTP_ADDR": "8080", "BRIDGE_NATS_ADDR": "4222"}

func (p *parser) address(name, value string) string {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		p.problem(fmt.Errorf("%s=%q is no address: want host:port, as in 127.0.0.1:%s, or :%[3]s for every interface", name, value, usualPort[name]))
	}
	return value
}

func (p *parser) duration(name, value string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil {
		p.problem(fmt.Errorf("%s=%q is no duration: want a number with a unit, as in 90s, 10m or 72h", name, value))
	} else if d < least {
		p.problem(fmt.Errorf("%s=%s is too short: at least %s", name, value, least))
	}
	return d
}

func (p *parser) size(name, value string, least int64) int64 {
	n, err := parseSize(value)
	if err != nil {
		p.problem(fmt.Errorf("%s=%q is no size: want bytes or a number with a unit, as in 512MiB or 20GiB", name, value))
	} else if n < least {
		p.problem(fmt.Errorf("%s=%s is too small: at least %s", name, value, formatSize(least)))
	}
	return n
}

func (p *parser) level(name, value string) slog.Level {
	var level slog.Level
	// slog's own parser would take "info+3" too.
	_ = level.UnmarshalText([]byte(p.oneOf(name, strings.ToLower(value), "debug", "info", "warn", "error")))
	return level
}

func (p *parser) truth(name, value string) bool {
	return p.oneOf(name, value, "true", "false") == "true"
}

// oneOf returns the value, or "" for one that is not allowed.
func (p *parser) oneOf(name, value string, allowed ...string) string {
	if slices.Contains(allowed, value) {
		return value
	}
	p.problem(fmt.Errorf("%s=%q: want %s or %s", name, value, strings.Join(allowed[:len(allowed)-1], ", "), allowed[len(allowed)-1]))
	return ""
}

// HTTPAddr reads from the environment where a bridge beside this process serves its health, and nothing else.
func HTTPAddr() (string, error) {
	env, _ := readEnvironment() // what is wrong elsewhere is the bridge's to report
	p := &parser{}
	addr := p.address("BRIDGE_HTTP_ADDR", env.HTTPAddr)
	if env.HTTPAddr == "off" {
		p.problems = []error{errors.New("BRIDGE_HTTP_ADDR is off: to ask the bridge for its health, give both an address, as in 127.0.0.1:8080")}
	}
	if err := errors.Join(p.problems...); err != nil {
		return "", &ConfigError{err}
	}
	return addr, nil
}
