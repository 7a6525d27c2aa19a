package bridge

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// newLibraryHistogram returns one of the library's, to compare ours with.
func newLibraryHistogram(bounds []time.Duration) prometheus.Histogram {
	var seconds []float64
	for _, bound := range bounds {
		seconds = append(seconds, bound.Seconds())
	}
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "library", Help: "Help.", Buckets: seconds})
}

// TestHistogramIsTheLibrarys: both have the same to show.
func TestHistogramIsTheLibrarys(t *testing.T) {
	reg := prometheus.NewRegistry()
	ours, library := newHistogram("ours", "Help.", lagBuckets), newLibraryHistogram(lagBuckets)
	reg.MustRegister(ours, library)
	for _, seconds := range []float64{-1, 0, .5, .500001, 2.1, 2.2, 902, 1800, 1800.001, 1e9} {
		ours.observe(time.Duration(seconds * float64(time.Second)))
		library.Observe(seconds)
	}
	all := gather(reg)
	got, want := all["ours"][0].GetHistogram(), all["library"][0].GetHistogram()
	want.CreatedTimestamp = nil
	if math.Abs(got.GetSampleSum()-want.GetSampleSum()) > 1e-6 {
		t.Errorf("sum %v, want %v", got.GetSampleSum(), want.GetSampleSum())
	}
	got.SampleSum = want.SampleSum
	if got.String() != want.String() {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func BenchmarkHistogram(b *testing.B) {
	const d = 20 * time.Millisecond
	b.Run("ours", func(b *testing.B) {
		h := newHistogram("ours", "", ackBuckets)
		for b.Loop() {
			h.observe(d)
		}
	})
	b.Run("library", func(b *testing.B) {
		h := newLibraryHistogram(ackBuckets)
		for b.Loop() {
			h.Observe(d.Seconds())
		}
	})
}
