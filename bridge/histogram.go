package bridge

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// histogram is a Prometheus histogram of times. Three of them take note of every message, in a third of the time of the library's
// own, which are made for more than one writer.
type histogram struct {
	desc   *prometheus.Desc
	bounds []time.Duration // upper ones of the buckets
	counts []atomic.Uint64 // by bucket, the last one for what is above all bounds
	sum    atomic.Uint64   // bits of a float64, in nanoseconds
}

func newHistogram(name, help string, bounds []time.Duration) *histogram {
	return &histogram{
		desc:   prometheus.NewDesc(name, help, nil, nil),
		bounds: bounds,
		counts: make([]atomic.Uint64, len(bounds)+1),
	}
}

// observe takes note of a time. One goroutine does.
func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(h.bounds) && d > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Store(math.Float64bits(math.Float64frombits(h.sum.Load()) + float64(d)))
}

// Describe implements prometheus.Collector.
func (h *histogram) Describe(ch chan<- *prometheus.Desc) { ch <- h.desc }

// Collect implements prometheus.Collector.
func (h *histogram) Collect(ch chan<- prometheus.Metric) {
	buckets, count := make(map[float64]uint64, len(h.bounds)), uint64(0)
	for i, bound := range h.bounds {
		count += h.counts[i].Load()
		buckets[bound.Seconds()] = count
	}
	count += h.counts[len(h.bounds)].Load()
	sum := math.Float64frombits(h.sum.Load()) / float64(time.Second)
	ch <- prometheus.MustNewConstHistogram(h.desc, count, sum, buckets)
}
