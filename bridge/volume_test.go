package bridge

import "testing"

func TestAccumulated(t *testing.T) {
	for _, tt := range []struct {
		raw           string
		after, before int64
	}{
		{`{"v":5,"av":105}`, 105_000000, 100_000000},
		{`{"av":105,"v":5}`, 105_000000, 100_000000},
		{`{"v":5,"av":105,"dv":"5.25","dav":"105.5"}`, 105_500000, 100_250000},
		{`{"ev":"A","vw":2.5,"dv":"5.25","dav":"105.5"}`, 105_500000, 100_250000},
		{`{"v":5,"av":105,"dv":"5.25"}`, 105_000000, 100_000000}, // the exact pair is not whole
		{`{"v":5,"av":105,"dv":"x","dav":"105.5"}`, 105_000000, 100_000000},
		{`{"v":5,"x":"\"av\":105"}`, 0, 0},
		{`{"v":5}`, 0, 0},
		{`{"sym":"v"}`, 0, 0},
		{`{"x":"v"`, 0, 0},
		{`{"v"`, 0, 0},
		{`v":`, 0, 0},
		{``, 0, 0},
	} {
		if after, before := accumulated([]byte(tt.raw)); after != tt.after || before != tt.before {
			t.Errorf("%s: got %d and %d, want %d and %d", tt.raw, after, before, tt.after, tt.before)
		}
	}
}

func TestMillionths(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  int64
		ok    bool
	}{
		{`"4989.0"}`, 4989_000000, true},
		{`"0.007300","v":0}`, 7300, true},
		{`12}`, 12_000000, true},
		{`12.5,"x":1}`, 12_500000, true},
		{`"1.23456789"}`, 1_234567, true},
		{`0}`, 0, true},
		{`"99999999999999999999"}`, 0, false},
		{`null}`, 0, false},
		{`-1}`, 0, false},
		{``, 0, false},
	} {
		got, ok := millionths([]byte(tt.value))
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: got %d, %v, want %d, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}
