package polygon

import "math"

// parseInteger returns the value of a JSON number that is an integer, in whatever form it is written:
// 1754055000000, 1754055000000.0 and 1.754055e12 are the same. The result is exact. It reports false for
// a fraction, for what does not fit, and for anything but a number that scanNumber accepts.
func parseInteger(number []byte) (int64, bool) {
	negative := len(number) > 0 && number[0] == '-'
	if negative {
		number = number[1:]
	}
	if len(number) == 0 || number[0]-'0' > 9 {
		return 0, false
	}
	n, ok := int64(0), true
	whole := 0
	for whole < len(number) && number[whole]-'0' <= 9 {
		whole++
	}
	if whole < len(number) {
		n, ok = parseDecimal(number, whole)
	} else {
		for _, c := range number {
			if n, ok = appendDigit(n, c); !ok {
				break
			}
		}
	}
	if !ok {
		return 0, false
	}
	if negative {
		n = -n
	}
	return n, true
}

// appendDigit returns ten times n plus the digit, false when that is not an int64.
func appendDigit(n int64, digit byte) (int64, bool) {
	const most = math.MaxInt64 / 10
	d := int64(digit - '0')
	if n >= most && (n > most || d > math.MaxInt64%10) {
		return 0, false
	}
	return n*10 + d, true
}

// parseDecimal is parseInteger for a number with a fraction or an exponent; its integer part has whole digits.
func parseDecimal(number []byte, whole int) (int64, bool) {
	i := whole
	fraction := 0 // number of digits behind the point
	if number[i] == '.' {
		for i++; i < len(number) && number[i]-'0' <= 9; i++ {
			fraction++
		}
	}
	digits, exponent := number[:i], 0
	if i < len(number) { // at the e
		exponent = parseExponent(number[i+1:])
	}
	exponent -= fraction

	var n int64
	zeros := 0 // trailing zeros not yet multiplied in
	for _, c := range digits {
		switch {
		case c == '.':
		case c == '0':
			zeros++
		default:
			var ok bool
			if n, ok = shift(n, zeros); !ok {
				return 0, false
			}
			if n, ok = appendDigit(n, c); !ok {
				return 0, false
			}
			zeros = 0
		}
	}
	return shift(n, zeros+exponent)
}

// parseExponent reads the digits behind the e; what no int64 could need is cut.
func parseExponent(b []byte) int {
	const most = 1 << 30
	negative := b[0] == '-'
	if negative || b[0] == '+' {
		b = b[1:]
	}
	n := 0
	for _, c := range b {
		n = min(n*10+int(c-'0'), most)
	}
	if negative {
		return -n
	}
	return n
}

// shift returns n times ten to the power of places, false when that is not an int64.
func shift(n int64, places int) (int64, bool) {
	if n == 0 {
		return 0, true
	}
	if places < 0 || places > 18 {
		return 0, false
	}
	ok := true
	for range places {
		if n, ok = appendDigit(n, '0'); !ok {
			return 0, false
		}
	}
	return n, true
}
