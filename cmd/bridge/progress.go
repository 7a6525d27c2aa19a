package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"bridge/bridge"
)

// progressBar shows how far a backfill is: a line that is drawn over itself in a terminal, a line now and then elsewhere.
type progressBar struct {
	screen *screen
	began  time.Time
	shown  time.Time
	drawn  bool // there is a line to be ended
}

// barLineEvery is between two lines without a terminal.
const barLineEvery = 10 * time.Second

func newProgressBar(out io.Writer) *progressBar {
	now := time.Now()
	return &progressBar{screen: newScreen(out), began: now, shown: now}
}

// show shows the progress, unless it was shown a moment ago.
func (p *progressBar) show(now bridge.BackfillProgress) {
	every := barLineEvery
	if p.screen.size != nil {
		every = redrawEvery
	}
	if time.Since(p.shown) < every && now.Asked < now.Tickers {
		return
	}
	p.shown = time.Now()
	text := p.text(now)
	if p.screen.size == nil {
		fmt.Fprintln(p.screen.out, text)
		return
	}
	fmt.Fprint(p.screen.out, "\r"+text+"\x1b[K")
	p.drawn = true
}

// text is one line of at most 79 letters.
func (p *progressBar) text(now bridge.BackfillProgress) string {
	const width = 24
	part := 1.0
	if now.Tickers > 0 {
		part = float64(now.Asked) / float64(now.Tickers)
	}
	done := int(part * width)
	left := ""
	if now.Asked > 0 && now.Asked < now.Tickers {
		took := time.Since(p.began)
		left = fmt.Sprintf(", %s left", (time.Duration(float64(took)/part) - took).Round(time.Second))
	}
	return fmt.Sprintf("[%s%s] %d of %d tickers, %d bars%s",
		strings.Repeat("=", done), strings.Repeat(" ", width-done), now.Asked, now.Tickers, now.Bars, left)
}

// end leaves the line.
func (p *progressBar) end() {
	if p.drawn {
		fmt.Fprintln(p.screen.out)
	}
}
