package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	redrawEvery = 250 * time.Millisecond // of the table
	lineEvery   = time.Second            // without a terminal
	eraseBelow  = "\x1b[J"
)

// screen is where the board is shown: a table that is drawn over itself in a terminal, lines elsewhere.
type screen struct {
	out   io.Writer
	size  func() (rows int) // of the terminal; nil when there is none
	drawn int               // lines of the last table
}

func newScreen(out io.Writer) *screen {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &screen{out: out}
	}
	return &screen{out: out, size: func() int {
		_, rows, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 24
		}
		return rows
	}}
}

// show shows the board until ctx ends, and then the totals once more.
func (s *screen) show(ctx context.Context, b *board) error {
	every := lineEvery
	if s.size != nil {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			if err := s.draw(b, now); err != nil {
				return err
			}
		case <-ctx.Done():
			_, err := fmt.Fprintf(s.out, "\n%s\n", b.totals(time.Now()))
			return err
		}
	}
}

func (s *screen) draw(b *board, now time.Time) error {
	if s.size == nil {
		_, err := fmt.Fprintf(s.out, "%s; %s\n", b.totals(now), b.last())
		return err
	}
	// Head, totals, "and more" and the lines around them need five.
	text := b.table(max(1, s.size()-5)) + "\n" + b.totals(now) + "\n"
	up := ""
	if s.drawn > 0 {
		up = fmt.Sprintf("\x1b[%dA\r", s.drawn)
	}
	s.drawn = strings.Count(text, "\n")
	_, err := io.WriteString(s.out, up+eraseBelow+text)
	return err
}
