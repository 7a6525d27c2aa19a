package bridge

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/nats-io/nkeys"
)

// NATSConfig says where NATS is and as whom to connect. The names are those of the nats CLI's variables.
type NATSConfig struct {
	URL      string // comma separated, without user or password; empty for the embedded server
	User     string
	Password Secret
	Token    Secret // from a NATS_URL of the form nats://token@host
	Creds    string // file of credentials
	NKey     string // file of a seed
	CA       string // file of certificates
	Cert     string // file of a client certificate
	Key      string // file of its private key

	embedded bool // URL is that of the bridge's own server
}

// natsConfig checks the settings that begin with NATS_. A user and a password are moved out of the URL, so
// that a URL can be shown.
func natsConfig(env environment) (NATSConfig, error) {
	cfg := NATSConfig{
		User: env.NATSUser, Password: env.NATSPassword,
		Creds: env.NATSCreds, NKey: env.NATSNKey, CA: env.NATSCA, Cert: env.NATSCert, Key: env.NATSKey,
	}
	var problems []error
	user, err := cfg.setURL(env.NATSURL)
	if err != nil {
		problems = append(problems, err)
	}
	if user != nil {
		if cfg.User != "" || !cfg.Password.IsZero() {
			problems = append(problems, errors.New("NATS_URL has a user, and so has NATS_USER or NATS_PASSWORD: keep one"))
		} else if password, ok := user.Password(); ok {
			cfg.User, cfg.Password = user.Username(), NewSecret(password)
		} else {
			cfg.Token = NewSecret(user.Username())
		}
	}
	problems = append(problems, cfg.checkAccount(), cfg.checkFiles())
	if env.NATSURL == "" {
		for _, s := range settingsOf(&env) {
			if strings.HasPrefix(s.name, "NATS_") && !s.field.IsZero() {
				problems = append(problems, fmt.Errorf("%s is set and NATS_URL is not: set NATS_URL to your servers, or unset %[1]s to use the bridge's own server", s.name))
			}
		}
	}
	return cfg, errors.Join(problems...)
}

// setURL takes a comma separated list of servers and returns the user that is in it, if any.
func (c *NATSConfig) setURL(list string) (user *url.Userinfo, err error) {
	var servers []string
	for server := range strings.SplitSeq(list, ",") {
		server = strings.TrimSpace(server)
		if server == "" {
			continue
		}
		if !strings.Contains(server, "://") {
			server = "nats://" + server
		}
		// The value is not shown, for the password that may be in it.
		u, err := url.Parse(server)
		if err != nil || u.Hostname() == "" {
			return nil, errors.New("NATS_URL does not parse: want nats://host:4222, or several of these with commas between")
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return nil, fmt.Errorf("NATS_URL has the scheme %s: want nats, tls, ws or wss", u.Scheme)
		}
		if err := checkServer(u); err != nil {
			return nil, err
		}
		if isWebSocket := strings.HasPrefix(u.Scheme, "ws"); len(servers) > 0 && isWebSocket != strings.HasPrefix(servers[0], "ws") {
			return nil, errors.New("NATS_URL has WebSocket servers and others: want all of them with ws:// or wss://, or none")
		}
		if u.User != nil {
			if user != nil && user.String() != u.User.String() {
				return nil, errors.New("NATS_URL has several users: give all servers the same, or use NATS_USER and NATS_PASSWORD")
			}
			user, u.User = u.User, nil
		}
		servers = append(servers, u.String())
	}
	c.URL = strings.Join(servers, ",")
	return user, nil
}

// checkServer refuses what is no part of a server's URL. As a rule it is the rest of a token or password with one of / ? # in it, and the
// host is its beginning, which would be asked of DNS. A WebSocket may have a path, as behind a proxy.
func checkServer(u *url.URL) error {
	rest := u.RawQuery != "" || u.ForceQuery || u.Fragment != ""
	switch u.Scheme {
	case "ws", "wss":
		rest = rest || strings.Contains(u.Path, "@")
	default:
		rest = rest || strings.Trim(u.Path, "/") != ""
	}
	if rest {
		return errors.New("NATS_URL has more than servers in it: want nats://host:4222, without path or query. Of a token or password in it write / as %2F, ? as %3F, # as %23")
	}
	if !possiblePort(u) {
		return errors.New("NATS_URL has a port that cannot be: want 1 to 65535, as in nats://host:4222")
	}
	return nil
}

// checkAccount checks that there is one way to log in at most.
func (c NATSConfig) checkAccount() error {
	var ways []string
	if c.Creds != "" {
		ways = append(ways, "NATS_CREDS")
	}
	if c.NKey != "" {
		ways = append(ways, "NATS_NKEY")
	}
	if c.User != "" || !c.Password.IsZero() {
		ways = append(ways, "NATS_USER")
	}
	if !c.Token.IsZero() {
		ways = append(ways, "the token in NATS_URL")
	}
	switch {
	case len(ways) == 2:
		return fmt.Errorf("%s and %s are both set: keep one, as NATS takes one way to log in", ways[0], ways[1])
	case len(ways) > 2:
		return fmt.Errorf("%s are all set: keep one, as NATS takes one way to log in", strings.Join(ways, ", "))
	case c.User == "" && !c.Password.IsZero():
		return errors.New("NATS_PASSWORD is set and NATS_USER is not: set both")
	case c.User != "" && c.Password.IsZero():
		return errors.New("NATS_USER is set and NATS_PASSWORD is not: set both")
	}
	return nil
}

// checkFiles reads every file that is named, so that a wrong one is reported at start and by its variable.
func (c NATSConfig) checkFiles() error {
	var problems []error
	read := func(name, file string) (text []byte, ok bool) {
		text, err := readFile(name, file)
		if err != nil {
			problems = append(problems, err)
		}
		return text, err == nil
	}
	check := func(name, file string, parse func([]byte) error) {
		if file == "" {
			return
		}
		text, ok := read(name, file)
		if !ok {
			return
		}
		if err := parse(text); err != nil {
			problems = append(problems, fmt.Errorf("%s=%s: %w", name, file, err))
		}
	}
	check("NATS_CREDS", c.Creds, func(text []byte) error {
		if _, err := nkeys.ParseDecoratedJWT(text); err != nil {
			return errors.New("no NATS credentials in it: want the file that `nsc generate creds` or your NATS provider made")
		}
		return parseSeed(text)
	})
	check("NATS_NKEY", c.NKey, parseSeed)
	check("NATS_CA", c.CA, func(text []byte) error {
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return errors.New("no certificate in it: want PEM")
		}
		return nil
	})
	switch {
	case c.Cert != "" && c.Key == "":
		problems = append(problems, errors.New("NATS_CERT is set and NATS_KEY is not: set both"))
	case c.Cert == "" && c.Key != "":
		problems = append(problems, errors.New("NATS_KEY is set and NATS_CERT is not: set both"))
	case c.Cert != "":
		cert, certRead := read("NATS_CERT", c.Cert)
		key, keyRead := read("NATS_KEY", c.Key)
		if !certRead || !keyRead {
			break
		}
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			problems = append(problems, fmt.Errorf("NATS_CERT=%s with NATS_KEY=%s: %w", c.Cert, c.Key, err))
		}
	}
	return errors.Join(problems...)
}

// parseSeed checks that text holds the seed of a user. Its error never shows it.
func parseSeed(text []byte) error {
	if _, err := nkeys.ParseDecoratedUserNKey(text); err != nil {
		return errors.New("no seed of a NATS user in it: want a line that begins with SU")
	}
	return nil
}
