package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"bridge/bridge"
)

// progressBar shows how far a backfill is: a line that is drawn over itself in a terminal, a line now and then elsewhere.
type progressBar struct {
	screen *screen
	began  time.Time

	mu    sync.Mutex // guards what follows
	shown time.Time
	last  bridge.BackfillProgress
	drawn bool // there is a line to be ended
}

// barLineEvery is between two lines without a terminal.
const barLineEvery = 10 * time.Second

func newProgressBar(out io.Writer) *progressBar {
	p := &progressBar{screen: newScreen(out), began: time.Now()}
	if p.screen.size == nil {
		p.shown = p.began // what is done at once needs no line
	}
	return p
}

// show shows the progress, unless it was shown a moment ago and nothing special is new.
func (p *progressBar) show(now bridge.BackfillProgress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := barLineEvery
	news := now.Tickers > 0 && now.Asked == now.Tickers
	if p.screen.size != nil {
		every = redrawEvery
		news = news || now.Tickers != p.last.Tickers || (now.Trouble == nil) != (p.last.Trouble == nil)
	}
	if p.last = now; !news && time.Since(p.shown) < every {
		return
	}
	p.shown = time.Now()
	text := p.text(now)
	if p.screen.size == nil {
		fmt.Fprintln(p.screen.out, text)
		return
	}
	_, columns := p.screen.size()
	fmt.Fprint(p.screen.out, "\r"+text[:min(len(text), columns-1)]+"\x1b[K")
	p.drawn = true
}

// text is one line. Trouble takes the place of the bar, as it may be long.
func (p *progressBar) text(now bridge.BackfillProgress) string {
	const width = 24
	part := 0.0
	if now.Tickers > 0 {
		part = float64(now.Asked) / float64(now.Tickers)
	}
	done := int(part * width)
	bar := "[" + strings.Repeat("=", done) + strings.Repeat(" ", width-done) + "] "
	switch {
	case now.Trouble != nil:
		return fmt.Sprintf("%d of %d tickers, waiting: %v", now.Asked, now.Tickers, now.Trouble)
	case now.Tickers == 0:
		return bar + "looking into the stream"
	case now.Asked == 0 || now.Asked == now.Tickers:
		return fmt.Sprintf("%s%d of %d tickers, %d bars", bar, now.Asked, now.Tickers, now.Bars)
	}
	took := time.Since(p.began)
	left := (time.Duration(float64(took)/part) - took).Round(time.Second)
	return fmt.Sprintf("%s%d of %d tickers, %d bars, %s left", bar, now.Asked, now.Tickers, now.Bars, left)
}

// above returns a writer for other lines of the same terminal: the bar makes way for them, and is drawn below them again.
func (p *progressBar) above(out io.Writer) io.Writer { return &lineAbove{p, out} }

type lineAbove struct {
	bar *progressBar
	out io.Writer
}

func (l *lineAbove) Write(line []byte) (int, error) {
	l.bar.mu.Lock()
	defer l.bar.mu.Unlock()
	if l.bar.drawn {
		fmt.Fprint(l.bar.screen.out, "\r\x1b[K")
		l.bar.drawn = false
	}
	return l.out.Write(line)
}

// end leaves the line.
func (p *progressBar) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn {
		fmt.Fprintln(p.screen.out)
		p.drawn = false
	}
}
