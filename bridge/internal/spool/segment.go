package spool

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// segment is a file of records, one behind the other, with nothing before, between or after them. Their sequences
// have no holes when they are written. Its name is the first of them, in decimal.
type segment struct {
	first uint64
	base  int64 // of its first byte, in the stream of all bytes that were ever appended
	end   int64 // size; guarded by Log.mu, as below
	// settled is when its last record was seen to be acknowledged, zero before.
	settled time.Time
}

const segmentSuffix = ".records"

func (s *segment) name() string { return fmt.Sprintf("%020d%s", s.first, segmentSuffix) }

// segmentFirst returns the first sequence in a segment by its name.
func segmentFirst(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, ok && err == nil && first > 0 && len(digits) == 20
}
