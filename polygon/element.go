package polygon

// slot numbers the members that routing may depend on.
type slot int

const (
	slotEv slot = iota
	slotStatus
	slotSym
	slotPair
	slotUpperT
	slotP
	slotS
	slotT
	slotCount
	slotNone slot = -1
)

func slotOf(key []byte) slot {
	switch string(key) {
	case "ev":
		return slotEv
	case "status":
		return slotStatus
	case "sym":
		return slotSym
	case "pair":
		return slotPair
	case "T":
		return slotUpperT
	case "p":
		return slotP
	case "s":
		return slotS
	case "t":
		return slotT
	}
	return slotNone
}

// element is one object of a frame while it is read. Which of its members name the symbol and the time
// depends on "ev", which may come last, so it notes where each of them stands and decides at the end.
type element struct {
	seen    uint // bit per slot: the member is there
	twice   uint // bit per slot: it is there more than once
	escaped uint // bit per slot: it is a string with escapes
	start   [slotCount]int
	end     [slotCount]int
}

// scan reads the object whose brace is at i and returns its end, -1 if it is malformed.
func (el *element) scan(b []byte, i int) int {
	el.seen, el.twice, el.escaped = 0, 0, 0
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		keyEnd, escaped := scanString(b, i)
		if keyEnd < 0 {
			return -1
		}
		key := b[i+1 : keyEnd-1]
		if escaped {
			key = unescape(b[i:keyEnd])
		}
		start := scanColon(b, keyEnd)
		if uint(start) >= uint(len(b)) {
			return -1
		}
		var end int
		if b[start] == '"' {
			end, escaped = scanString(b, start)
		} else {
			end, escaped = scanValue(b, start, 1), false
		}
		if end < 0 {
			return -1
		}
		if k := slotOf(key); k != slotNone {
			el.note(k, start, end, escaped)
		}
		i = end
		if i < len(b) && b[i] == ',' {
			i++
			if i < len(b) && b[i] == '"' { // the vendor sends no white space
				continue
			}
			i = skipSpace(b, i)
			continue
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

func (el *element) note(k slot, start, end int, escaped bool) {
	bit := uint(1) << k
	el.twice |= el.seen & bit
	el.seen |= bit
	if escaped {
		el.escaped |= bit
	}
	el.start[k], el.end[k] = start, end
}

func (el *element) has(k slot) bool      { return el.seen&(1<<k) != 0 }
func (el *element) hasTwice(k slot) bool { return el.twice&(1<<k) != 0 }

// text returns the string in slot k, unescaped; nil when there is none.
func (el *element) text(b []byte, k slot) []byte {
	if !el.has(k) || b[el.start[k]] != '"' {
		return nil
	}
	if el.escaped&(1<<k) != 0 {
		return unescape(b[el.start[k]:el.end[k]])
	}
	return b[el.start[k]+1 : el.end[k]-1]
}

// event says what the object that was scanned last is. Raw is left to the caller.
func (el *element) event(b []byte, known []*Channel) Event {
	e := Event{Type: el.text(b, slotEv)}
	switch {
	case el.hasTwice(slotEv):
		e.Fault = FaultDuplicateKey
		return e
	case string(e.Type) == "status", len(e.Type) == 0 && el.has(slotStatus): // an old server left "ev" empty
		e.Status = true
		return e
	case len(e.Type) == 0:
		e.Fault = FaultNoType
		return e
	}
	for _, c := range known {
		if string(e.Type) == c.Type {
			e.Channel = c
			break
		}
	}
	if e.Channel == nil {
		e.Fault = FaultUnknownType
		return e
	}
	e.Fault = el.route(b, &e)
	return e
}

// route fills in what the event's channel says about it: symbol and time.
func (el *element) route(b []byte, e *Event) Fault {
	symbol, when := slotOf([]byte(e.Channel.SymbolField)), slotOf([]byte(e.Channel.TimeField))
	if el.hasTwice(symbol) || el.hasTwice(when) {
		return FaultDuplicateKey
	}
	if e.Symbol = el.text(b, symbol); len(e.Symbol) == 0 {
		return FaultNoSymbol
	}
	var integral bool
	if el.has(when) {
		e.Time, integral = parseInteger(b[el.start[when]:el.end[when]])
	}
	if !integral && e.Channel.Kind.Aggregate() {
		return FaultNoTime
	}
	return ""
}
