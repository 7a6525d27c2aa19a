package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"bridge/polygon/polygontest"

	"github.com/nats-io/nats.go"
)

// TestBackfillIsKilled kills the command again and again, whenever the stream has had so many bars of it. In the end the stream
// has every bar once.
func TestBackfillIsKilled(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p := newPast(t, polygontest.REST{PageSize: 10 + rng.IntN(20)})
		for range 3 {
			p.killAfter(rng.IntN(pastSeconds))
		}
		if code, stdout, stderr := call(t, p.backfill()...); code != 0 || stderr != "" {
			t.Errorf("seed %d: got %d, %q, %q; want 0", seed, code, stdout, stderr)
		}
		p.whole()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// killAfter runs the command in a process of its own and kills it as soon as it has sent more than n bars. One that has fewer
// left to send ends by itself.
func (p *past) killAfter(n int) {
	p.t.Helper()
	var out bytes.Buffer
	ctx, kill := context.WithCancel(p.t.Context())
	defer kill()
	cmd := exec.CommandContext(ctx, os.Args[0], p.backfill()...) // the end of its context is kill -9
	cmd.Env = append(os.Environ(), mainVar+"=1")
	cmd.Stdout, cmd.Stderr = &out, &out
	nc := p.jetStream().Conn()
	sent := 0
	_, err := nc.Subscribe("stocks.agg.>", func(*nats.Msg) {
		if sent++; sent > n {
			kill()
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil && cmd.ProcessState.Exited() {
		p.t.Errorf("%v: %s", err, &out)
	}
	nc.Close()
}
