package bridge

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// environment is every setting as it is written in the environment; the tables of help and README are
// made from it. All fields are texts: envconfig stops at the first value that does not parse and prints
// it, so parsing is the business of Load, which reports everything and prints no secret.
type environment struct {
	APIKey    Secret `envconfig:"POLYGON_API_KEY" desc:"API key of Polygon.io (Massive); the only setting that is required. MASSIVE_API_KEY is read where it is not set"`
	FeedURL   string `envconfig:"POLYGON_URL" default:"wss://delayed.massive.com/stocks" desc:"WebSocket of the feed. The default is 15 minutes late and open to every plan; real time is wss://socket.massive.com/stocks. The path names the market"`
	Subscribe string `envconfig:"POLYGON_SUBSCRIBE" desc:"what to subscribe to, comma separated: CHANNEL.TICKER or CHANNEL.*, as in A.AAPL,AM.*; by default the second bars of everything: A.*, for forex CAS.*, for crypto XAS.*"`
	RESTURL   string `envconfig:"POLYGON_REST_URL" default:"https://api.massive.com" desc:"where bars are asked for that the feed did not send"`
	Backfill  string `envconfig:"BRIDGE_BACKFILL" default:"true" desc:"false leaves gaps as they are, and only records them"`

	NATSURL      string `envconfig:"NATS_URL" desc:"NATS servers with JetStream, comma separated. Where it is not set, the bridge runs a server of its own"`
	NATSCreds    string `envconfig:"NATS_CREDS" desc:"file with NATS user credentials (JWT and key)"`
	NATSUser     string `envconfig:"NATS_USER" desc:"NATS user name"`
	NATSPassword Secret `envconfig:"NATS_PASSWORD" desc:"password of NATS_USER"`
	NATSNKey     string `envconfig:"NATS_NKEY" desc:"file with the seed of a NATS user NKey"`
	NATSCA       string `envconfig:"NATS_CA" desc:"file with the CA certificates that the NATS servers' certificates must come from (PEM)"`
	NATSCert     string `envconfig:"NATS_CERT" desc:"file with a client certificate for NATS (PEM)"`
	NATSKey      string `envconfig:"NATS_KEY" desc:"file with the private key of NATS_CERT (PEM)"`

	DataDir  string `envconfig:"BRIDGE_DATA_DIR" desc:"directory of the queue, and of the bridge's own NATS server. With NATS_URL, and where this is not set, the queue is in memory and dies with the process; without NATS_URL it is bridge-data"`
	NATSAddr string `envconfig:"BRIDGE_NATS_ADDR" default:"127.0.0.1:4222" desc:"address on which the bridge's own NATS server listens; it asks nobody for a password. Unused with NATS_URL"`

	Stream         string `envconfig:"BRIDGE_STREAM" desc:"name of the stream; by default the market in upper case, as in STOCKS"`
	StreamReplicas string `envconfig:"BRIDGE_STREAM_REPLICAS" default:"1" desc:"copies of the stream in a NATS cluster: 1, 3 or 5"`
	StreamMaxAge   string `envconfig:"BRIDGE_STREAM_MAX_AGE" default:"72h" desc:"how long the stream keeps a message"`
	StreamMaxBytes string `envconfig:"BRIDGE_STREAM_MAX_BYTES" default:"20GiB" desc:"size at which the stream drops its oldest messages"`
	StreamUpdate   string `envconfig:"BRIDGE_STREAM_UPDATE" default:"false" desc:"true lets the bridge change an existing stream whose settings break its promise, or differ from the limits that are set here"`

	SpoolMaxBytes string `envconfig:"BRIDGE_SPOOL_MAX_BYTES" default:"10GiB" desc:"disk for what is read and not stored yet, as while NATS is down. Beyond it frames are dropped, counted and logged"`
	SpoolRetain   string `envconfig:"BRIDGE_SPOOL_RETAIN" default:"5m" desc:"how long what is stored stays in the queue on disk, to be sent again if NATS loses it; while NATS is away it stays for longer"`
	QueueMaxBytes string `envconfig:"BRIDGE_QUEUE_MAX_BYTES" default:"256MiB" desc:"memory for the same, of a queue in memory, or while the disk is full or slow"`
	DrainTimeout  string `envconfig:"BRIDGE_DRAIN_TIMEOUT" default:"10s" desc:"how long a bridge that is asked to stop may take to store what it has read"`
	Standby       string `envconfig:"BRIDGE_STANDBY" default:"false" desc:"true lets two bridges share a stream and a key: one is active, the other takes over when it ends. Set it for both"`

	HTTPAddr  string `envconfig:"BRIDGE_HTTP_ADDR" default:"127.0.0.1:8080" desc:"address of /healthz, /readyz and /metrics; off for none"`
	LogLevel  string `envconfig:"BRIDGE_LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	LogFormat string `envconfig:"BRIDGE_LOG_FORMAT" default:"json" desc:"json or text"`
}

// fallbackKey is the name that the vendor's own clients use since it changed its own name.
const fallbackKey = "MASSIVE_API_KEY"

// readEnvironment reads the environment. An empty variable counts as one that is not set: that is how
// compose files and shells say it.
func readEnvironment() (environment, error) {
	var env environment
	if err := envconfig.Process("", &env); err != nil {
		return env, fmt.Errorf("read the environment: %w", err) // texts cannot fail to parse
	}
	var problems []error
	for _, s := range settingsOf(&env) {
		switch field := s.field.Addr().Interface().(type) {
		case *string:
			if *field == "" {
				*field = s.fallback
			}
		case *Secret:
			problems = append(problems, readSecret(field, s.name))
		}
	}
	if env.APIKey.IsZero() {
		problems = append(problems, env.APIKey.Decode(os.Getenv(fallbackKey)), readSecret(&env.APIKey, fallbackKey))
	}
	return env, errors.Join(append(problems, misspelt(os.Environ())...)...)
}

// isSet reports whether a setting is not left to its default.
func isSet(name string) bool { return os.Getenv(name) != "" }

// readSecret completes a secret from the file that NAME_FILE names, as containers hand secrets over. After an error
// it is set to something, so that nobody complains of its absence as well.
func readSecret(secret *Secret, name string) error {
	file := os.Getenv(name + "_FILE")
	switch {
	case file == "":
		return nil
	case !secret.IsZero():
		return fmt.Errorf("%s and %[1]s_FILE are both set: keep one", name)
	}
	*secret = NewSecret("unknown")
	text, err := readFile(name+"_FILE", file)
	if err != nil {
		return err
	}
	switch line := strings.TrimRight(string(text), "\r\n"); {
	case line == "":
		return fmt.Errorf("%s_FILE: %s is empty", name, file)
	case strings.ContainsAny(line, "\r\n"):
		return fmt.Errorf("%s_FILE: %s has more than one line: want the secret alone", name, file)
	default:
		*secret = NewSecret(line)
	}
	return nil
}

// setting is one field of environment.
type setting struct {
	name     string
	fallback string // value where it is not set
	desc     string
	secret   bool
	field    reflect.Value
}

func settingsOf(env *environment) (all []setting) {
	v := reflect.ValueOf(env).Elem()
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		_, secret := v.Field(i).Interface().(Secret)
		all = append(all, setting{tag.Get("envconfig"), tag.Get("default"), tag.Get("desc"), secret, v.Field(i)})
	}
	return all
}

// ofKubernetes matches what Kubernetes puts into every container's environment for a service that is called
// "bridge", "polygon" or begins so. None of our settings looks like that, and none may.
var ofKubernetes = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// misspelt returns an error for every variable that has one of our prefixes and is none of ours: a
// typing mistake that would otherwise pass in silence. The NATS_ prefix is not ours, but where NATS_URL is missed the bars
// would go to a server of the bridge's own.
func misspelt(environ []string) (problems []error) {
	var names []string
	for _, s := range settingsOf(new(environment)) {
		names = append(names, s.name)
		if s.secret {
			names = append(names, s.name+"_FILE")
		}
	}
	slices.Sort(environ)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		ours := strings.HasPrefix(name, "POLYGON_") || strings.HasPrefix(name, "BRIDGE_") ||
			!isSet("NATS_URL") && Nearest(name, names) == "NATS_URL"
		if !ours || value == "" || slices.Contains(names, name) || ofKubernetes.MatchString(name) {
			continue
		}
		hint := "`bridge help` lists all settings"
		if nearest := Nearest(name, names); nearest != "" {
			hint = "did you mean " + nearest + "?"
		}
		problems = append(problems, fmt.Errorf("%s is no setting of the bridge: %s", name, hint))
	}
	return problems
}
