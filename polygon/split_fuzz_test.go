package polygon

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// FuzzSplit holds Split to encoding/json where that has an opinion, and to its own promises everywhere.
func FuzzSplit(f *testing.F) {
	for _, tt := range splitTests {
		f.Add([]byte(tt.frame))
	}
	f.Add(barFrame(3))
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, m := range append([]Market{""}, markets...) {
			events := m.Split(nil, frame)
			checkTotal(t, frame, events)
			checkAgainstEncodingJSON(t, m, frame, events)
		}
	})
}

// checkTotal checks what holds for any bytes: the pieces are in order, do not overlap, and what is not a
// malformed fault is valid JSON, an object unless it says otherwise; and nothing but the array's own punctuation is left out.
func checkTotal(t *testing.T, frame []byte, events []Event) {
	t.Helper()
	at := 0
	for i, e := range events {
		if len(e.Raw) == 0 { // the place where an element is missing
			if e.Fault != FaultMalformed {
				t.Errorf("element %d is empty, with the fault %q", i, e.Fault)
			}
			continue
		}
		start := offset(frame, e.Raw)
		if start < at {
			t.Fatalf("element %d begins at %d, before the end of the one before it at %d", i, start, at)
		}
		if skipped := bytes.Trim(frame[at:start], "[], \t\r\n"); len(skipped) > 0 {
			t.Errorf("element %d: %q before it was skipped", i, skipped)
		}
		at = start + len(e.Raw)
		if e.Fault == FaultMalformed {
			continue
		}
		if !json.Valid(e.Raw) {
			t.Errorf("element %d with fault %q is not valid JSON: %q", i, e.Fault, e.Raw)
		}
		if object := e.Raw[0] == '{'; object != (e.Fault != FaultNotObject) {
			t.Errorf("element %d has the fault %q: %q", i, e.Fault, e.Raw)
		}
	}
	if skipped := bytes.Trim(frame[at:], "[], \t\r\n"); len(skipped) > 0 {
		t.Errorf("%q at the end was skipped", skipped)
	}
}

// offset returns where in the frame the piece, which is not empty, begins.
func offset(frame, piece []byte) int {
	return int(uintptr(unsafe.Pointer(&piece[0])) - uintptr(unsafe.Pointer(&frame[0])))
}

func checkAgainstEncodingJSON(t *testing.T, m Market, frame []byte, events []Event) {
	t.Helper()
	var raws []json.RawMessage
	if json.Unmarshal(frame, &raws) != nil || raws == nil { // null decodes, but is no array
		return
	}
	if len(raws) != len(events) {
		t.Fatalf("got %d elements, want %d", len(events), len(raws))
	}
	for i, e := range events {
		if !bytes.Equal(raws[i], e.Raw) {
			t.Errorf("element %d: got %q, want %q", i, e.Raw, raws[i])
		}
		if e.Fault == FaultMalformed {
			if nesting(raws[i]) <= maxDepth && raws[i][0] == '{' {
				t.Errorf("element %d is called malformed: %q", i, e.Raw)
			}
			continue
		}
		if e.Fault == FaultNotObject || !utf8.Valid(frame) { // encoding/json replaces invalid UTF-8, we keep it
			continue
		}
		members := map[string]json.RawMessage{} // exact case, the last of two equal keys
		if err := json.Unmarshal(raws[i], &members); err != nil {
			t.Fatal(err)
		}
		if want := asString(members["ev"]); e.Fault != FaultDuplicateKey && string(e.Type) != want {
			t.Errorf("element %d: got type %q, want %q", i, e.Type, want)
		}
		if e.Fault != "" || e.Status {
			continue
		}
		if e.Channel != m.Channel(string(e.Type)) {
			t.Errorf("element %d: got channel %v for type %q", i, e.Channel, e.Type)
		}
		if want := asString(members[e.Channel.SymbolField]); string(e.Symbol) != want {
			t.Errorf("element %d: got symbol %q, want %q", i, e.Symbol, want)
		}
		for name, value := range members {
			if field := e.Field(name); !bytes.Equal(field, value) && bytes.Count(e.Raw, []byte(name)) == 1 {
				t.Errorf("element %d: field %q is %q, want %q", i, name, field, value)
			}
		}
	}
}

func asString(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// nesting returns the depth of valid JSON.
func nesting(raw []byte) (deepest int) {
	depth := 0
	d := json.NewDecoder(bytes.NewReader(raw))
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}
