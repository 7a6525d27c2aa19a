package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errNATSAuth is returned by dialNATS when NATS refuses the account.
var errNATSAuth = errors.New("nats refused the login")

// dialNATS connects once to the first of the servers that answers. The connection never mends itself: what the
// client sent after a reconnect of its own would be sent behind the publisher's back. An error that
// only another setting can mend is a *ConfigError, and none shows a secret. What the server refuses later without an answer, such as a
// subject that the account may not use, goes to complain.
func dialNATS(cfg NATSConfig, complain func(error), extra ...nats.Option) (*nats.Conn, error) {
	if err := cfg.checkFiles(); err != nil { // they may have changed since Load
		return nil, &ConfigError{err}
	}
	options, err := natsOptions(cfg)
	if err != nil {
		return nil, &ConfigError{err}
	}
	options = append(options, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { complain(err) }))
	conn, err := nats.Connect(cfg.URL, append(options, extra...)...)
	if err != nil {
		return nil, explainNATS(cfg, err)
	}
	return conn, nil
}

func natsOptions(cfg NATSConfig) ([]nats.Option, error) {
	options := []nats.Option{
		nats.Name("bridge"),
		nats.NoReconnect(),
		nats.Timeout(5 * time.Second),
	}
	switch {
	case cfg.Creds != "":
		options = append(options, nats.UserCredentials(cfg.Creds))
	case cfg.NKey != "":
		option, err := nats.NkeyOptionFromSeed(cfg.NKey)
		if err != nil {
			return nil, fmt.Errorf("NATS_NKEY=%s holds no seed of a NATS user", cfg.NKey)
		}
		options = append(options, option)
	case cfg.User != "":
		options = append(options, nats.UserInfo(cfg.User, cfg.Password.Reveal()))
	case !cfg.Token.IsZero():
		options = append(options, nats.Token(cfg.Token.Reveal()))
	}
	if cfg.CA != "" {
		options = append(options, nats.RootCAs(cfg.CA))
	}
	if cfg.Cert != "" {
		options = append(options, nats.ClientCert(cfg.Cert, cfg.Key))
	}
	return options, nil
}

// explainNATS adds the setting and the remedy to an error of nats.Connect.
func explainNATS(cfg NATSConfig, err error) error {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		remote   *net.OpError
		notTLS   tls.RecordHeaderError
		dns      *net.DNSError
		timeout  net.Error
	)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrAccountAuthExpired), errors.Is(err, nats.ErrNkeysNotSupported):
		return &ConfigError{fmt.Errorf("%w at %s (%w): %s", errNATSAuth, cfg.URL, err, cfg.loginRemedy())}
	case errors.As(err, &unknown), errors.As(err, &hostname), errors.As(err, &invalid), errors.As(err, &verify):
		return &ConfigError{fmt.Errorf("the certificate of %s is not trusted, check NATS_CA and the host name in NATS_URL: %w", cfg.URL, err)}
	case errors.Is(err, nats.ErrSecureConnWanted), errors.As(err, &notTLS):
		remedy := "write nats:// instead of tls:// in NATS_URL"
		if cfg.CA != "" || cfg.Cert != "" {
			remedy = "unset NATS_CA and NATS_CERT"
		}
		return &ConfigError{fmt.Errorf("%s speaks no TLS, %s or take another server: %w", cfg.URL, remedy, err)}
	case errors.Is(err, nats.ErrSecureConnRequired):
		return &ConfigError{fmt.Errorf("%s requires TLS, write tls:// in NATS_URL: %w", cfg.URL, err)}
	case errors.Is(err, nats.ErrTLS), errors.As(err, &remote) && remote.Op == "remote error":
		// A refused client certificate arrives as an alert (crypto/tls calls it a remote error) or as a connection
		// that ends, whichever is first. The latter is also what a server in mid-restart looks like, so it is retried.
		return fmt.Errorf("%s refused the TLS handshake, check NATS_CERT and NATS_KEY: %w", cfg.URL, err)
	case errors.As(err, &dns):
		return fmt.Errorf("connect to %s: check the host's name: %w", cfg.place(), dns)
	case errors.Is(err, nats.ErrNoInfoReceived), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("connect to %s: is this a NATS server? %w", cfg.place(), err)
	case errors.Is(err, nats.ErrNoServers) && cfg.embedded:
		return fmt.Errorf("connect to %s: nobody answers there; start the bridge, which has its own NATS server there, or set NATS_URL to another", cfg.place())
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("connect to %s: nobody answers there; is the server running, with JetStream?", cfg.place())
	case strings.HasPrefix(cfg.URL, "ws"): // what is wrong with the answer to the upgrade has no type
		return fmt.Errorf("connect to %s: is this a NATS server's port for WebSocket? On its usual one write nats:// instead of ws://: %w", cfg.place(), err)
	}
	return fmt.Errorf("connect to %s: %w", cfg.place(), err)
}

// place is the setting that says where NATS is, with its value.
func (c NATSConfig) place() string {
	if c.embedded {
		return "BRIDGE_NATS_ADDR=" + strings.TrimPrefix(c.URL, "nats://")
	}
	return "NATS_URL=" + c.URL
}

// dialJetStream opens a connection for those who only look into the stream, beside the publisher's. It is closed by its Conn. It gives
// up when ctx ends: a server that says nothing takes its time, and NATS_URL may name several.
func dialJetStream(ctx context.Context, cfg NATSConfig, complain func(error)) (jetstream.JetStream, error) {
	s := &socket{ctx: ctx}
	defer context.AfterFunc(ctx, s.abort)()
	conn, err := dialNATS(cfg, complain, nats.SetCustomDialer(s))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		conn.Close()
	}
	return js, err
}

// loginRemedy says where to look when a login is refused.
func (c NATSConfig) loginRemedy() string {
	switch {
	case c.Creds != "":
		return "check the credentials in NATS_CREDS=" + c.Creds
	case c.NKey != "":
		return "check the seed in NATS_NKEY=" + c.NKey
	case c.User != "":
		return "check NATS_USER=" + c.User + " and NATS_PASSWORD"
	case !c.Token.IsZero():
		return "check the token in NATS_URL"
	}
	return "set NATS_CREDS, NATS_NKEY, or NATS_USER and NATS_PASSWORD"
}
