package polygon

// Split appends the elements of a frame to events, in order, and returns the extended slice. It is total:
// whatever the bytes are, every element is returned, as an event, a status, or a fault; nothing is skipped,
// decoded or encoded again. The Raw of an event, of a status and of all faults but FaultMalformed is valid JSON.
//
// A frame is a JSON array of objects; a lone object counts as an array of one. An element that is damaged
// does not cost its neighbours: its end is looked for by matching brackets, and what cannot be told apart any
// more, as in a truncated frame, is one FaultMalformed with the remainder, which is empty when the frame
// ends between two elements. A frame that is neither array nor object is one fault as a whole.
//
// It does not allocate, but to grow events and for types and symbols with JSON escapes.
func (m Market) Split(events []Event, frame []byte) []Event {
	s := splitter{known: channels[m], b: frame, events: events}
	i := skipSpace(frame, 0)
	switch {
	case i < len(frame) && frame[i] == '[':
		s.array(i + 1)
	case i < len(frame) && frame[i] == '{':
		s.object(i)
	default:
		s.notObject(i, len(frame))
	}
	return s.events
}

// splitter is one call of Split.
type splitter struct {
	known  []*Channel
	b      []byte
	events []Event
	el     element
}

// array splits the elements from i, behind the array's opening bracket, to the end of the frame.
func (s *splitter) array(i int) {
	b := s.b
	i = skipSpace(b, i)
	if i < len(b) && b[i] == ']' {
		s.trailing(i + 1)
		return
	}
	for {
		i = skipSpace(b, s.element(i))
		switch {
		case i == len(b): // no closing bracket: the frame is cut, and more may have been lost
			if n := len(s.events); s.events[n-1].Fault != FaultMalformed {
				s.malformed(i, i)
			}
			return
		case b[i] == ']':
			s.trailing(i + 1)
			return
		case b[i] == ',':
			i = skipSpace(b, i+1)
		case b[i] == '{': // a missing comma harms nobody
		default: // bytes between elements
			end := resync(b, i)
			s.malformed(i, end)
			if i = end; i < len(b) && b[i] == ',' {
				i = skipSpace(b, i+1)
			} else {
				s.trailing(i + 1)
				return
			}
		}
	}
}

// element appends the element at i, up to the next comma or bracket of the array, and returns its end.
func (s *splitter) element(i int) (end int) {
	if i < len(s.b) && s.b[i] == '{' {
		if end = s.el.scan(s.b, i); end >= 0 {
			s.append(i, end)
			return end
		}
	}
	end = resync(s.b, i)
	s.notObject(i, end)
	return end
}

// object splits a frame that is a lone object at i.
func (s *splitter) object(i int) {
	end := s.el.scan(s.b, i)
	if end < 0 {
		s.malformed(i, len(s.b))
		return
	}
	s.append(i, end)
	s.trailing(end)
}

// append appends the object from start to end, which was scanned last.
func (s *splitter) append(start, end int) {
	e := s.el.event(s.b, s.known)
	e.Raw = s.b[start:end:end]
	s.events = append(s.events, e)
}

// trailing takes care of what follows the frame's value, which should be nothing.
func (s *splitter) trailing(i int) {
	if i = skipSpace(s.b, i); i < len(s.b) {
		s.malformed(i, len(s.b))
	}
}

// notObject appends the bytes from start to end as a fault: some other JSON value, or none.
func (s *splitter) notObject(start, end int) {
	s.malformed(start, end)
	e := &s.events[len(s.events)-1]
	if len(e.Raw) > 0 && e.Raw[0] != '{' && scanValue(e.Raw, 0, 0) == len(e.Raw) {
		e.Fault = FaultNotObject
	}
}

// malformed appends the bytes from start to end, less the white space at their end.
func (s *splitter) malformed(start, end int) {
	for end > start && skipSpace(s.b[:end], end-1) == end {
		end--
	}
	s.events = append(s.events, Event{Raw: s.b[start:end:end], Fault: FaultMalformed})
}

// resync returns the end of a damaged element: the next comma or closing bracket that is in no string and
// in no brackets opened since i, or the end of the frame. Brackets of either kind count alike, so that
// one that was damaged itself does less harm.
func resync(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				if b[i] == ']' {
					return i
				}
				continue // a closing brace too many
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(b)
}
