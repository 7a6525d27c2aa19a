package bridge

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret shows of itself.
const redacted = "REDACTED"

// Secret is a string that never prints itself: not by any verb of fmt, not as JSON, not in a log.
// The text is behind a pointer because fmt does not ask the methods of what it finds in a private
// field, and then prints every string it reaches. The zero value is no secret.
type Secret struct{ text *string }

// NewSecret makes a secret of text. An empty text makes the zero value.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text, for the one place that sends it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Decode takes the secret from an environment variable. It never fails, since the error would show the value.
func (s *Secret) Decode(value string) error {
	*s = NewSecret(value)
	return nil
}

func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format prints the same for every verb, wrong ones too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
