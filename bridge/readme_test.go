package bridge

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bridge/bridge/internal/spool"
	"bridge/polygon"
)

// TestREADME holds what the README shows to the code.
func TestREADME(t *testing.T) {
	readme := fileText(t, "../README.md")
	if !strings.Contains(readme, settingsMarkdown()) {
		t.Errorf("the table of settings is not that of the struct, which is:\n%s", settingsMarkdown())
	}
	_, example, _ := strings.Cut(fileText(t, "example_test.go"), "func Example_durable() {\n")
	example = strings.ReplaceAll("\n"+strings.TrimSuffix(example, "}\n"), "\n\t", "\n")
	if !strings.Contains(readme, "```go"+example+"```") {
		t.Errorf("the durable consumer is not the example that compiles, which is:\n%s", example)
	}
	for _, name := range []string{headerRevision, headerRead, headerSource, headerReason, headerLength, headerDigest} {
		if !strings.Contains(readme, "`"+name) {
			t.Errorf("the header %s is not explained", name)
		}
	}
}

// TestREADMEMetrics: what the README has alerts for exists under that name.
func TestREADMEMetrics(t *testing.T) {
	m := newMetrics(nil, polygon.Stocks)
	m.watchQueue(newMemory(1))
	m.watchBackfill(newFillQueue())
	m.watchSpool(new(spool.Log))
	have := gather(m.gatherer)
	named := 0
	for _, name := range regexp.MustCompile(`\bbridge_[a-z_]+`).FindAllString(fileText(t, "../README.md"), -1) {
		if name == leaseBucket {
			continue
		}
		if named++; have[name] == nil {
			t.Errorf("%s is no metric", name)
		}
	}
	if named < 5 {
		t.Errorf("%d metrics are named, want those of five alerts at least", named)
	}
}

// settingsMarkdown returns the table of all settings as the README has it.
func settingsMarkdown() string {
	var b strings.Builder
	b.WriteString("| Variable | Default | Meaning |\n|---|---|---|\n")
	for _, s := range settingsOf(new(environment)) {
		fallback := ""
		if s.fallback != "" {
			fallback = "`" + s.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, fallback, s.desc)
	}
	return b.String()
}

// TestCompose holds what docker-compose.yml passes on to the settings: all but those that it makes itself.
func TestCompose(t *testing.T) {
	compose := fileText(t, "../docker-compose.yml")
	for _, s := range settingsOf(new(environment)) {
		own := strings.HasPrefix(s.name, "NATS_") || slices.Contains([]string{"BRIDGE_DATA_DIR", "BRIDGE_NATS_ADDR", "BRIDGE_HTTP_ADDR"}, s.name)
		if passed := strings.Contains(compose, "\n      "+s.name+":\n"); passed == own {
			t.Errorf("%s: passed on: %v, want %v", s.name, passed, !own)
		}
	}
}

func fileText(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
