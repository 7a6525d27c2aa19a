package bridge

import "bytes"

// breaks takes note of the day's volume after a bar, the newest of its lane, and reports whether it does not follow from
// the bar before: one between them may be missing.
func (l *lane) breaks(raw []byte) bool {
	last := l.accumulated
	after, before := accumulated(raw)
	l.accumulated = after
	return last != 0 && after > last && before != last
}

// accumulated returns the day's volume after and before a bar, in millionths of a share, 0 when the
// bar does not say. The exact decimal strings are preferred: the integers are cut to whole shares.
//
// It looks for the bytes of the four keys, which cannot stand inside of a JSON string, by the v at their end: many times faster than to
// walk the members, and good enough for a hint.
func accumulated(raw []byte) (after, before int64) {
	var v, av, dv, dav []byte
	for i := 2; i < len(raw)-2; i++ {
		n := bytes.IndexByte(raw[i:len(raw)-2], 'v')
		if n < 0 {
			break
		}
		if i += n; raw[i+1] != '"' || raw[i+2] != ':' {
			continue
		}
		value := raw[i+3:]
		switch lead := string(raw[i-2 : i]); {
		case lead[1] == '"':
			v = value
		case lead == `"a`:
			av = value
		case lead == `"d`:
			dv = value
		case lead == "da" && i > 2 && raw[i-3] == '"':
			dav = value
		}
	}
	for _, in := range [...]struct{ day, bar []byte }{{dav, dv}, {av, v}} {
		day, ok := millionths(in.day)
		if bar, okBar := millionths(in.bar); ok && okBar {
			return day, day - bar
		}
	}
	return 0, 0
}

// millionths reads a decimal, a number or a string that holds one, at the beginning of v.
func millionths(v []byte) (n int64, ok bool) {
	if len(v) > 0 && v[0] == '"' {
		v = v[1:]
	}
	digits, decimals := 0, -1
	for _, c := range v {
		if c == '.' && decimals < 0 {
			decimals = 0
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		if decimals >= 0 {
			decimals++
		}
		if decimals <= 6 {
			n = n*10 + int64(c-'0')
			digits++
		}
	}
	for decimals = max(decimals, 0); decimals < 6; decimals++ {
		n *= 10
		digits++
	}
	return n, digits > 6 && digits < 19
}
