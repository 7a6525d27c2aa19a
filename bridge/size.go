package bridge

import (
	"strconv"
	"strings"
)

var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
}

// parseSize reads a number of bytes: 1048576, 512MiB, 20GiB, 1GB.
func parseSize(text string) (int64, error) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, err
	}
	if n < 0 || n > (1<<63-1)/unit {
		return 0, strconv.ErrRange
	}
	return n * unit, nil
}

// formatSize writes a number of bytes as parseSize reads it, in the largest unit of which it is a multiple.
func formatSize(n int64) string {
	suffix, unit := "", int64(1)
	for _, u := range sizeUnits {
		if n%u.bytes == 0 && u.bytes > unit {
			suffix, unit = u.suffix, u.bytes
		}
	}
	return strconv.FormatInt(n/unit, 10) + suffix
}
