package polygontest

import (
	"encoding/binary"
	"net"
	"sync/atomic"
)

// wire is a connection below WebSocket. It does what a WebSocket library never would: reset, fall silent,
// and stop in the middle of a frame.
type wire struct {
	net.Conn
	stalled atomic.Bool
}

// wireListener hands out wires.
type wireListener struct{ net.Listener }

func (l wireListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn}, nil
}

// Read reads from the peer. On a stalled wire it swallows what comes and returns only when the peer is gone.
func (w *wire) Read(p []byte) (int, error) {
	for {
		n, err := w.Conn.Read(p)
		if err != nil || !w.stalled.Load() {
			return n, err
		}
	}
}

// Write writes to the peer, or pretends to on a stalled wire.
func (w *wire) Write(p []byte) (int, error) {
	if w.stalled.Load() {
		return len(p), nil
	}
	return w.Conn.Write(p)
}

// stall makes the wire half-open for the rest of its life.
func (w *wire) stall() { w.stalled.Store(true) }

// reset ends the connection with a TCP reset where it is TCP.
func (w *wire) reset() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	w.Close()
}

// narrow keeps the kernel from buffering much more than a slow reader's own buffer does.
func (w *wire) narrow(bytes int) {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		tcp.SetWriteBuffer(bytes)
	}
}

// writeHalf writes the head of a text frame and half of its payload.
func (w *wire) writeHalf(payload []byte) {
	const finalText = 0x81 // RFC 6455, 5.2
	head := []byte{finalText}
	switch n := len(payload); {
	case n < 126:
		head = append(head, byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(n))
	}
	w.Write(append(head, payload[:len(payload)/2]...))
}
