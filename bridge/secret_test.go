package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// secretText is long and odd enough not to be in any output by chance, hexadecimal forms included.
const secretText = "hunter2-hunter2"

// leaks reports whether the text shows the secret, as it is or in hexadecimal.
func leaks(text string) bool {
	return strings.Contains(text, secretText) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", secretText))
}

// prints returns v in every way in which a program may print it.
func prints(t *testing.T, v any) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, verb := range "vTtbcdoOqxXUeEfFgGspw" {
		for _, flag := range []string{"", "+", "#"} {
			format := "%" + flag + string(verb)
			all[format] = fmt.Sprintf(format, v)
		}
	}
	all["Println"] = fmt.Sprintln(v)
	all["Errorf"] = fmt.Errorf("wrapped: %v", v).Error()
	if text, err := json.Marshal(v); err == nil {
		all["JSON"] = string(text)
	}
	var log bytes.Buffer
	NewLogger(&log, slog.LevelInfo, FormatJSON).Info("x", "v", v)
	NewLogger(&log, slog.LevelInfo, FormatText).Info("x", "v", v)
	all["slog"] = log.String()
	return all
}

func TestSecretNeverPrints(t *testing.T) {
	secret := NewSecret(secretText)
	private := struct{ secret Secret }{secret}
	for name, v := range map[string]any{
		"itself":             secret,
		"pointer":            &secret,
		"public field":       struct{ Secret Secret }{secret},
		"private field":      private,
		"pointer to private": &private,
		"slice":              []Secret{secret},
		"map":                map[string]Secret{"key": secret},
		"in an error":        errors.Join(fmt.Errorf("%v", secret)),
	} {
		for how, text := range prints(t, v) {
			if leaks(text) {
				t.Errorf("%s by %s: %s", name, how, text)
			}
		}
	}
	if secret.Reveal() != secretText {
		t.Errorf("Reveal: got %q, want %q", secret.Reveal(), secretText)
	}
}

func TestNoSecretIsZero(t *testing.T) {
	if s := NewSecret(""); !s.IsZero() || s != (Secret{}) || s.Reveal() != "" || fmt.Sprint(s) != "" {
		t.Errorf("got %#v for an empty text, want the zero value", s)
	}
}
