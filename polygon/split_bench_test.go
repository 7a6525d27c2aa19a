package polygon

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// barFrame is a frame of n second bars of about 190 bytes, as a busy second of A.* brings them.
func barFrame(n int) []byte {
	frame := []byte("[")
	for i := range n {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = fmt.Appendf(frame, `{"ev":"A","sym":"SYM%d","v":200,"av":8642007,"op":25.66,"vw":25.3981,"o":25.39,"c":25.39,`+
			`"h":25.41,"l":25.37,"a":25.3714,"z":50,"s":1754055000000,"e":1754055001000,"dv":"200.000000","dav":"8642007.125000"}`, i)
	}
	return append(frame, ']')
}

// splitWithEncodingJSON does with the standard library what Split does, less its checks.
func splitWithEncodingJSON(frame []byte) (n int, err error) {
	var raws []json.RawMessage
	if err := json.Unmarshal(frame, &raws); err != nil {
		return 0, err
	}
	for _, raw := range raws {
		var head struct {
			Ev  string `json:"ev"`
			Sym string `json:"sym"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// BenchmarkSplit reports the time per event, that of encoding/json measured in the same run, and the ratio.
func BenchmarkSplit(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			frame := barFrame(n)
			const rounds = 20_000
			began := time.Now()
			for range max(rounds/n, 1) {
				if got, err := splitWithEncodingJSON(frame); err != nil || got != n {
					b.Fatalf("got %d events and %v, want %d", got, err, n)
				}
			}
			alternative := float64(time.Since(began).Nanoseconds()) / float64(max(rounds/n, 1)*n)

			var events []Event
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if events = Stocks.Split(events[:0], frame); len(events) != n {
					b.Fatalf("got %d events, want %d", len(events), n)
				}
			}
			perEvent := float64(b.Elapsed().Nanoseconds()) / float64(b.N*n)
			b.ReportMetric(perEvent, "ns/event")
			b.ReportMetric(alternative, "json-ns/event")
			b.ReportMetric(alternative/perEvent, "x-json")
		})
	}
}

func BenchmarkField(b *testing.B) {
	e := Stocks.Split(nil, barFrame(1))[0]
	b.ReportAllocs()
	for b.Loop() {
		if e.Field("dav") == nil {
			b.Fatal("no dav")
		}
	}
}
