package bridge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// startNATS runs a server with the options on a free port and returns its URL.
func startNATS(t *testing.T, opts *server.Options) string {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return "nats://" + s.Addr().String()
}

// certificate makes a self-signed one for 127.0.0.1, and the files with it and its key.
func certificate(t *testing.T) (cert tls.Certificate, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	if cert, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return cert, writeFile(t, string(certPEM)), writeFile(t, string(keyPEM))
}

func userKey(t *testing.T) (public, seed string) {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	text, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = user.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return public, string(text)
}

func TestDialNATSLogsIn(t *testing.T) {
	public, seed := userKey(t)
	cert, certFile, keyFile := certificate(t)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	for _, tt := range []struct {
		name   string
		server server.Options
		client NATSConfig
	}{
		{"nobody", server.Options{}, NATSConfig{}},
		{"user", server.Options{Username: "u", Password: "p"}, NATSConfig{User: "u", Password: NewSecret("p")}},
		{"token", server.Options{Authorization: "t"}, NATSConfig{Token: NewSecret("t")}},
		{"nkey", server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}}, NATSConfig{NKey: writeFile(t, seed)}},
		{"tls", server.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}, NATSConfig{CA: certFile}},
		{
			"mutual tls",
			server.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}},
			NATSConfig{CA: certFile, Cert: certFile, Key: keyFile},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.client.URL = "nats://127.0.0.1:1," + startNATS(t, &tt.server) // the first of the two is down
			conn, err := dialNATS(tt.client, newLimiter(quiet(t)).complain)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if conn.Opts.AllowReconnect || conn.Opts.Name != "bridge" {
				t.Errorf("got %q, reconnect %v; want bridge without reconnect", conn.Opts.Name, conn.Opts.AllowReconnect)
			}
		})
	}
}

// TestDialNATSByWebSocket: as NATS is reached through a proxy of HTTP, in the same way as the publisher does.
func TestDialNATSByWebSocket(t *testing.T) {
	cert, certFile, _ := certificate(t)
	for _, tt := range []struct {
		scheme string
		server server.WebsocketOpts
		client NATSConfig
	}{
		{"ws", server.WebsocketOpts{NoTLS: true}, NATSConfig{}},
		{"wss", server.WebsocketOpts{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}, NATSConfig{CA: certFile}},
	} {
		t.Run(tt.scheme, func(t *testing.T) {
			tt.client.URL = tt.scheme + "://" + startWebSocket(t, tt.server)
			js, err := dialJetStream(t.Context(), tt.client, newLimiter(quiet(t)).complain)
			if err != nil {
				t.Fatal(err)
			}
			defer js.Conn().Close()
			if err := js.Conn().FlushTimeout(patience); err != nil {
				t.Error(err)
			}
		})
	}
}

// startWebSocket runs a server and returns the address of its WebSocket.
func startWebSocket(t *testing.T, opts server.WebsocketOpts) string {
	t.Helper()
	opts.Host, opts.Port = "127.0.0.1", server.RANDOM_PORT
	all := &server.Options{Websocket: opts}
	startNATS(t, all)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(all.Websocket.Port))
}

// Every refusal names the setting that is wrong, and shows no secret.
func TestDialNATSExplains(t *testing.T) {
	t.Parallel()
	_, seed := userKey(t)
	cert, certFile, keyFile := certificate(t)
	_, strangeCert, strangeKey := certificate(t)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)

	locked := startNATS(t, &server.Options{Username: "u", Password: "p"})
	open := startNATS(t, &server.Options{})
	withTLS := startNATS(t, &server.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}})
	mutual := startNATS(t, &server.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}})

	for _, tt := range []struct {
		name  string
		cfg   NATSConfig
		want  string
		auth  bool
		fatal bool
	}{
		{"wrong password", NATSConfig{URL: locked, User: "u", Password: NewSecret(secretText)}, "NATS_PASSWORD", true, true},
		{"wrong token", NATSConfig{URL: locked, Token: NewSecret(secretText)}, "token in NATS_URL", true, true},
		{"no login", NATSConfig{URL: locked}, "set NATS_CREDS, NATS_NKEY", true, true},
		{"unknown nkey", NATSConfig{URL: startNATS(t, &server.Options{Nkeys: []*server.NkeyUser{{Nkey: first(userKey(t))}}}), NKey: writeFile(t, seed)}, "NATS_NKEY=", true, true},
		{"nkey where there are none", NATSConfig{URL: open, NKey: writeFile(t, seed)}, "NATS_NKEY=", true, true},
		{"file without a seed", NATSConfig{URL: open, NKey: writeFile(t, secretText)}, "NATS_NKEY=", false, true},
		{"certificate from elsewhere", NATSConfig{URL: withTLS, CA: strangeCert}, "NATS_CA", false, true},
		{"certificate unknown", NATSConfig{URL: withTLS}, "NATS_CA", false, true},
		{"other host name", NATSConfig{URL: strings.Replace(withTLS, "127.0.0.1", "localhost", 1), CA: certFile}, "NATS_CA", false, true},
		{"no TLS there", NATSConfig{URL: open, CA: certFile}, "unset NATS_CA", false, true},
		{"no TLS there for a tls URL", NATSConfig{URL: strings.Replace(open, "nats:", "tls:", 1)}, "write nats:// instead of tls://", false, true},
		{"no NATS there", NATSConfig{URL: listen(t, "SSH-2.0-x\r\n")}, "is this a NATS server?", false, false},
		{"silence there", NATSConfig{URL: listen(t, "")}, "is this a NATS server?", false, false},
		{"no client certificate", NATSConfig{URL: mutual, CA: certFile}, "NATS_CERT", false, false},
		{"strange client certificate", NATSConfig{URL: mutual, CA: certFile, Cert: strangeCert, Key: strangeKey}, "NATS_CERT", false, false},
		{"key of another certificate", NATSConfig{URL: mutual, CA: certFile, Cert: strangeCert, Key: keyFile}, "NATS_CERT", false, true},
		{"nobody there", NATSConfig{URL: "nats://127.0.0.1:1"}, "nobody answers", false, false},
		{"no WebSocket there", NATSConfig{URL: strings.Replace(open, "nats:", "ws:", 1)}, "write nats:// instead of ws://", false, false},
		{"a WebSocket there", NATSConfig{URL: "nats://" + startWebSocket(t, server.WebsocketOpts{NoTLS: true})}, "is this a NATS server?", false, false},
		{"nobody at the bridge's own", NATSConfig{URL: "nats://127.0.0.1:1", embedded: true}, "BRIDGE_NATS_ADDR=127.0.0.1:1: nobody answers there; start the bridge", false, false},
		{"no such host", NATSConfig{URL: "nats://host.invalid:4222"}, "check the host's name", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // silence takes its time
			conn, err := dialNATS(tt.cfg, newLimiter(quiet(t)).complain)
			if err == nil {
				conn.Close()
				t.Fatal("got no error")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
			if errors.Is(err, errNATSAuth) != tt.auth {
				t.Errorf("%v: is errNATSAuth %v, want %v", err, !tt.auth, tt.auth)
			}
			if got := ExitCode(err) == 2; got != tt.fatal {
				t.Errorf("%v: needs another setting %v, want %v", err, got, tt.fatal)
			}
			if leaks(err.Error()) || strings.Contains(err.Error(), strings.TrimSpace(seed)) {
				t.Errorf("shows a secret: %v", err)
			}
		})
	}
}

// listen returns the URL of a server that says the words to everyone, and nothing else.
func listen(t *testing.T, words string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, words)
			defer conn.Close()
		}
	}()
	return "nats://" + l.Addr().String()
}

func first(a, _ string) string { return a }

// TestDeniedSubjectIsLogged: NATS gives no answer to what it denies, so nothing else says what is missing.
func TestDeniedSubjectIsLogged(t *testing.T) {
	t.Parallel()
	user := &server.User{Username: "u", Password: "p", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"none"}}}}
	cfg := NATSConfig{URL: startNATS(t, &server.Options{Users: []*server.User{user}}), User: "u", Password: NewSecret("p")}
	log := shownOnFailure(t)
	js, err := dialJetStream(t.Context(), cfg, newLimiter(logTo(log)).complain)
	if err != nil {
		t.Fatal(err)
	}
	defer js.Conn().Close()
	if err := js.Conn().Publish("$JS.API.STREAM.INFO.STOCKS", nil); err != nil {
		t.Fatal(err)
	}
	log.await(t, `denies the account a subject`)
	log.await(t, `$JS.API.STREAM.INFO.STOCKS`)
}
