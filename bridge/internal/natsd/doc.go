// Package natsd runs a NATS server with JetStream inside the process, so that one command gives a
// working bus. It is the only package that imports nats-server outside of tests.
//
//   - natsd.go: Start, Failed, Revive, ClientURL, Close
//   - logger.go: the server's log lines, as slog records
//
// The server listens on TCP like any other, so every NATS client can read beside the bridge. The package
// makes no stream, knows no subject and dials nothing.
package natsd
