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
	size  func() (rows, columns int) // of the terminal; nil when there is none
	drawn int                        // lines of the last table
}

func newScreen(out io.Writer) *screen {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &screen{out: out}
	}
	return &screen{out: out, size: func() (rows, columns int) {
		columns, rows, err := term.GetSize(int(f.Fd()))
		if err != nil || rows == 0 || columns == 0 { // a terminal need not know
			return 24, 80
		}
		return rows, columns
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
			arrived, took := b.totals(time.Now())
			_, err := fmt.Fprintf(s.out, "\n%s; %s\n", arrived, took)
			return err
		}
	}
}

func (s *screen) draw(b *board, now time.Time) error {
	arrived, took := b.totals(now)
	if s.size == nil {
		_, err := fmt.Fprintf(s.out, "%s; %s; %s\n", arrived, took, b.last())
		return err
	}
	rows, columns := s.size()
	// Head, totals, "and more" and the lines around them need six.
	text := cut(b.table(max(1, rows-6))+"\n"+arrived+"\n"+took+"\n", columns)
	up := ""
	if s.drawn > 0 {
		up = fmt.Sprintf("\x1b[%dA\r", s.drawn)
	}
	s.drawn = strings.Count(text, "\n")
	_, err := io.WriteString(s.out, up+eraseBelow+text)
	return err
}

// cut shortens the lines of a text: one that a narrow terminal wraps would be drawn over only in part.
func cut(text string, columns int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		b.WriteString(line[:min(len(line), columns)] + "\n")
	}
	return b.String()
}
