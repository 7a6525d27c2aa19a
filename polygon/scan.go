package polygon

import "encoding/json"

// The functions of this file find where a piece of JSON ends. They take the buffer and the index where
// the piece begins, and return the index behind it, or -1 when the bytes are no such piece. An index of
// -1 or behind the buffer is taken as well and gives -1, so that calls chain without a check each.
// What they accept is exactly what json.Valid accepts, but for the nesting limit.

// maxDepth bounds the nesting of an event. The vendor's deepest, an order book, has three levels.
const maxDepth = 64

// skipSpace returns the index of the first byte at or behind i that is no white space, or len(b).
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanColon returns the index of the value behind the key that ends at i.
func scanColon(b []byte, i int) int {
	if uint(i) < uint(len(b)) && b[i] == ':' { // the vendor sends no white space
		i++
		if i < len(b) && b[i] > ' ' {
			return i
		}
		return skipSpace(b, i)
	}
	if i < 0 {
		return -1
	}
	i = skipSpace(b, i)
	if i == len(b) || b[i] != ':' {
		return -1
	}
	return skipSpace(b, i+1)
}

// scanValue returns the end of the value at i, which is inside of depth levels of brackets.
func scanValue(b []byte, i, depth int) int {
	if uint(i) >= uint(len(b)) {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		end, _ := scanString(b, i)
		return end
	case '{', '[':
		if depth == maxDepth {
			return -1
		}
		if c == '{' {
			return scanObject(b, i, depth+1)
		}
		return scanArray(b, i, depth+1)
	case 't':
		return scanLiteral(b, i, "true")
	case 'f':
		return scanLiteral(b, i, "false")
	case 'n':
		return scanLiteral(b, i, "null")
	default:
		return scanNumber(b, i)
	}
}

// inString marks the bytes that do not end or change a string: all but quote, backslash and control characters.
var inString = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// scanString returns the end of the string whose opening quote is at i, and whether it has escapes.
func scanString(b []byte, i int) (end int, escaped bool) {
	for end = i + 1; end < len(b) && inString[b[end]]; end++ {
	}
	if end < len(b) && b[end] == '"' {
		return end + 1, false
	}
	return scanEscaped(b, i)
}

// scanEscaped is scanString for any string.
func scanEscaped(b []byte, i int) (end int, escaped bool) {
	for i++; i < len(b); i++ {
		if inString[b[i]] {
			continue
		}
		switch b[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			escaped = true
			i++
			if i == len(b) {
				return -1, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(b)-i <= 4 || !isHex(b[i+1]) || !isHex(b[i+2]) || !isHex(b[i+3]) || !isHex(b[i+4]) {
					return -1, false
				}
				i += 4
			default:
				return -1, false
			}
		default: // a control character
			return -1, false
		}
	}
	return -1, false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// unescape decodes a string, given with its quotes, that scanString accepted.
func unescape(quoted []byte) []byte {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return nil
	}
	return []byte(s)
}

func scanLiteral(b []byte, i int, literal string) int {
	if len(b)-i < len(literal) || string(b[i:i+len(literal)]) != literal {
		return -1
	}
	return i + len(literal)
}

func scanNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	if i = scanDigits(b, i); i < 0 || b[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = scanDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		i = scanDigits(b, i)
	}
	return i
}

// scanDigits returns the end of a run of at least one digit.
func scanDigits(b []byte, i int) int {
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// scanArray returns the end of the array whose bracket is at i. It and its brackets are at level depth.
func scanArray(b []byte, i, depth int) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = scanValue(b, i, depth); i < 0 {
			return -1
		}
		i = skipSpace(b, i)
		if i == len(b) {
			return -1
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			i = skipSpace(b, i+1)
		default:
			return -1
		}
	}
}

// scanObject returns the end of the object whose brace is at i. It and its braces are at level depth.
func scanObject(b []byte, i, depth int) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		i, _ = scanString(b, i)
		if i = scanValue(b, scanColon(b, i), depth); i < 0 {
			return -1
		}
		i = skipSpace(b, i)
		if i == len(b) {
			return -1
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i = skipSpace(b, i+1)
		default:
			return -1
		}
	}
	return -1
}
