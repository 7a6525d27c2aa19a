package lease

import (
	"context"
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// dialTimeout bounds the attempt to reach one server of the cluster. One that is frozen accepts, and then says nothing.
const dialTimeout = 2 * time.Second

// dial connects through opt.Dial, and gives up when ctx ends.
func dial(ctx context.Context, opt Options) (*nats.Conn, error) {
	d := &dialer{ctx: ctx}
	conn, err := opt.Dial(
		nats.NoReconnect(), // what failed is asked anew, by us
		nats.Timeout(dialTimeout),
		nats.SetCustomDialer(d),
	)
	for _, release := range d.release {
		release()
	}
	switch {
	case ctx.Err() == nil:
		return conn, err
	case err == nil: // its socket may be closed
		conn.Close()
	}
	return nil, context.Cause(ctx)
}

// dialer closes the sockets of a dial that is under way when its context ends: the NATS client takes none.
type dialer struct {
	ctx     context.Context
	release []func() bool // keeps the sockets open beyond ctx
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	one := net.Dialer{Timeout: dialTimeout}
	conn, err := one.DialContext(d.ctx, network, address)
	if err == nil {
		d.release = append(d.release, context.AfterFunc(d.ctx, func() { conn.Close() }))
	}
	return conn, err
}
