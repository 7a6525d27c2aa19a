package bridge

import (
	"bytes"
	"slices"
	"time"
)

// heard is what the feed has sent of gaps since they were recorded: late bars, and corrections. A bar from REST must not follow
// one of those. It is owned by the publisher, and empty while no gap is being filled.
type heard struct {
	gaps []heardGap
	bars idSet // keys, as barKey has them
}

// heardGap is a gap that is listened for.
type heardGap struct {
	id       string
	from, to int64 // Unix ms, of the starts of windows
}

// listen begins with a gap.
func (h *heard) listen(g gap) {
	if slices.ContainsFunc(h.gaps, func(other heardGap) bool { return other.id == g.ID }) {
		return
	}
	if h.bars == nil {
		h.bars = make(idSet)
	}
	windows := g.windows()
	first, _ := windows.starts(time.Minute)
	h.gaps = append(h.gaps, heardGap{g.ID, first.UnixMilli(), windows.to.UnixMilli()})
}

// forget ends with a gap.
func (h *heard) forget(id string) {
	h.gaps = slices.DeleteFunc(h.gaps, func(g heardGap) bool { return g.id == id })
	if len(h.gaps) == 0 {
		*h = heard{}
	}
}

// note notes a bar of the feed, if it is of a gap. id is the bar's message id, start that of its window.
func (h *heard) note(id []byte, start int64) {
	for _, g := range h.gaps {
		if g.from <= start && start <= g.to {
			h.bars.addBytes(barKey(id))
			return
		}
	}
}

// has reports whether the feed has sent the bar with that message id, in whatever version.
func (h *heard) has(id string) bool { return h.bars.has(barKey([]byte(id))) }

// barKey cuts the digest from a bar's message id: what is left is the same for all its versions.
func barKey(id []byte) []byte { return id[:max(0, bytes.LastIndexByte(id, '.'))] }
