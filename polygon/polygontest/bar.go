package polygontest

import "strconv"

// bar is an aggregate in the units in which it adds up without rounding. It holds no pointers, so it is
// copied and kept cheaply.
type bar struct {
	minute bool  // AM rather than A
	symbol int32 // index into the market's symbols
	start  int64 // Unix ms
	end    int64 // Unix ms, exclusive

	open, high, low, close int64 // money
	vwap, dayVWAP          int64 // money
	dayOpen                int64 // money; 0 before the open, when the field is left out
	volume, dayVolume      int64 // parts
	size                   int64 // average trade size in tenths of a share

	otc, extra bool
	oddSize    bool // z with a decimal point
	order      int8 // index into fieldOrders
}

const (
	money = 10_000    // units in a dollar
	parts = 1_000_000 // units in a share
)

type field int8

const (
	fieldEv field = iota
	fieldSym
	fieldV
	fieldDV
	fieldAV
	fieldDAV
	fieldOp
	fieldVW
	fieldO
	fieldC
	fieldH
	fieldL
	fieldA
	fieldZ
	fieldS
	fieldE
	fieldOTC
	fieldExtra
)

// fieldOrders begins with the order that live bars were seen in. A reader must not rely on it.
var fieldOrders = [...][]field{
	{fieldEv, fieldSym, fieldV, fieldAV, fieldOp, fieldVW, fieldO, fieldC, fieldH, fieldL, fieldA, fieldZ, fieldS, fieldE, fieldDV, fieldDAV, fieldOTC, fieldExtra},
	{fieldExtra, fieldSym, fieldEv, fieldS, fieldE, fieldO, fieldH, fieldL, fieldC, fieldV, fieldDV, fieldAV, fieldDAV, fieldVW, fieldA, fieldOp, fieldZ, fieldOTC},
	{fieldS, fieldE, fieldV, fieldO, fieldC, fieldH, fieldL, fieldExtra, fieldVW, fieldZ, fieldOTC, fieldDAV, fieldAV, fieldDV, fieldA, fieldOp, fieldSym, fieldEv},
}

// channel is the bar's channel, and its "ev".
func (b *bar) channel() string {
	if b.minute {
		return "AM"
	}
	return "A"
}

// append writes the bar as the vendor would.
func (b *bar) append(dst []byte, symbol string) []byte {
	dst = append(dst, '{')
	for _, f := range fieldOrders[b.order] {
		before := len(dst)
		dst = b.appendField(dst, f, symbol)
		if len(dst) > before {
			dst = append(dst, ',')
		}
	}
	dst[len(dst)-1] = '}'
	return dst
}

func (b *bar) appendField(dst []byte, f field, symbol string) []byte {
	switch f {
	case fieldEv:
		dst = append(append(append(dst, `"ev":"`...), b.channel()...), '"')
	case fieldSym:
		dst = append(append(append(dst, `"sym":"`...), symbol...), '"')
	case fieldV:
		dst = strconv.AppendInt(append(dst, `"v":`...), b.volume/parts, 10)
	case fieldDV:
		dst = append(appendShares(append(dst, `"dv":"`...), b.volume), '"')
	case fieldAV:
		dst = strconv.AppendInt(append(dst, `"av":`...), b.dayVolume/parts, 10)
	case fieldDAV:
		dst = append(appendShares(append(dst, `"dav":"`...), b.dayVolume), '"')
	case fieldOp:
		if b.dayOpen != 0 {
			dst = appendMoney(append(dst, `"op":`...), b.dayOpen)
		}
	case fieldVW:
		dst = appendMoney(append(dst, `"vw":`...), b.vwap)
	case fieldO:
		dst = appendMoney(append(dst, `"o":`...), b.open)
	case fieldC:
		dst = appendMoney(append(dst, `"c":`...), b.close)
	case fieldH:
		dst = appendMoney(append(dst, `"h":`...), b.high)
	case fieldL:
		dst = appendMoney(append(dst, `"l":`...), b.low)
	case fieldA:
		dst = appendMoney(append(dst, `"a":`...), b.dayVWAP)
	case fieldZ:
		dst = strconv.AppendInt(append(dst, `"z":`...), b.size/10, 10)
		if b.oddSize {
			dst = append(dst, '.', byte('0'+b.size%10))
		}
	case fieldS:
		dst = strconv.AppendInt(append(dst, `"s":`...), b.start, 10)
	case fieldE:
		dst = strconv.AppendInt(append(dst, `"e":`...), b.end, 10)
	case fieldOTC:
		if b.otc {
			dst = append(dst, `"otc":true`...)
		}
	case fieldExtra:
		if b.extra {
			dst = append(dst, `"x9":{"n":[1,2.5e3],"q":"a\"}b"}`...)
		}
	}
	return dst
}

// appendMoney writes dollars as a number with as many decimals as it needs.
func appendMoney(dst []byte, m int64) []byte {
	dst = strconv.AppendInt(dst, m/money, 10)
	cents, rest := m%money/100, m%100
	switch {
	case rest != 0:
		dst = append(dst, '.', byte('0'+cents/10), byte('0'+cents%10), byte('0'+rest/10), byte('0'+rest%10))
		if rest%10 == 0 {
			dst = dst[:len(dst)-1]
		}
	case cents%10 != 0:
		dst = append(dst, '.', byte('0'+cents/10), byte('0'+cents%10))
	case cents != 0:
		dst = append(dst, '.', byte('0'+cents/10))
	}
	return dst
}

// appendShares writes shares as the vendor's decimal strings do: one decimal when whole, else six.
func appendShares(dst []byte, p int64) []byte {
	dst = strconv.AppendInt(dst, p/parts, 10)
	fraction := p % parts
	if fraction == 0 {
		return append(dst, '.', '0')
	}
	dst = append(dst, '.')
	for unit := int64(parts / 10); unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit%10))
	}
	return dst
}
