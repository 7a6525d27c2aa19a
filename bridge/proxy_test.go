package bridge

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy stands between the bridge and a server. It can cut what goes through it, and spoil it.
type proxy struct {
	listen net.Listener
	target string

	mu      sync.Mutex // guards what follows
	conns   []net.Conn
	link    linkState
	changed chan struct{} // closed when link changes
}

// linkState is what a proxy does to what goes through it.
type linkState string

const (
	linkOpen   linkState = "open"
	linkDeaf   linkState = "deaf"   // what the server sends is thrown away
	linkFrozen linkState = "frozen" // nothing goes through, and all of it does later
	linkSlow   linkState = "slow"
)

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listen: l, target: strings.TrimPrefix(target, "nats://"), link: linkOpen, changed: make(chan struct{})}
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.set(linkOpen)
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listen.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listen.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		go p.copy(out, in, false)
		go p.copy(in, out, true)
	}
}

// copy passes on what one side sends, as far as the state of the link lets it, until one of them ends.
func (p *proxy) copy(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || p.pass(to, buf[:n], answers) != nil {
			return
		}
	}
}

func (p *proxy) pass(to io.Writer, data []byte, answers bool) error {
	for {
		p.mu.Lock()
		link, changed := p.link, p.changed
		p.mu.Unlock()
		switch {
		case link == linkFrozen:
			<-changed
			continue
		case link == linkDeaf && answers:
			return nil
		case link == linkSlow:
			return trickle(to, data)
		}
		_, err := to.Write(data)
		return err
	}
}

// trickle writes data at some 200 kB a second, and 5 ms late.
func trickle(to io.Writer, data []byte) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(data) > 0 {
		<-tick.C
		n := min(len(data), 1000)
		if _, err := to.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// set changes what the proxy does from now on, also to the connections that there are.
func (p *proxy) set(link linkState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = link
	close(p.changed)
	p.changed = make(chan struct{})
}

// cut ends every connection, reset does so without a word of parting.
func (p *proxy) cut() { p.end(func(net.Conn) {}) }

func (p *proxy) reset() { p.end(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }) }

func (p *proxy) end(prepare func(net.Conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		prepare(c)
		c.Close()
	}
	p.conns = nil
}
