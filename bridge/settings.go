package bridge

import (
	"fmt"
	"io"
	"strings"
)

// WriteSettings writes the table of all settings for a terminal: name and default, and below them what it means.
func WriteSettings(w io.Writer) error {
	for _, s := range settingsOf(new(environment)) {
		fallback := ""
		if s.fallback != "" {
			fallback = " (" + s.fallback + ")"
		}
		if _, err := fmt.Fprintf(w, "  %s%s\n%s", s.name, fallback, wrap(s.desc, "      ", 92)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(w, "\n", wrap("Each secret can also come from a file: POLYGON_API_KEY_FILE and NATS_PASSWORD_FILE name it. "+
		"Sizes are bytes or 512MiB, 20GiB; times are 90s, 10m, 72h. An empty variable counts as not set.", "  ", 92))
	return err
}

// wrap breaks text between words into lines of at most width letters, each behind the indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > width && line != indent {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}
