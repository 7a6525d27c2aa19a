package bridge

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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

// readFile reads the file that a setting names. People put the secret itself where the name of its file belongs, so the error shows
// only a value that is no secret: one in a directory that is there, and a certificate's name.
func readFile(setting, value string) ([]byte, error) {
	text, err := os.ReadFile(value)
	failed, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return text, err
	}
	certificate := setting == "NATS_CA" || setting == "NATS_CERT"
	dir := filepath.Dir(value)
	info, err := os.Stat(dir)
	inDirectory := dir != "." && dir != "/" && err == nil && info.IsDir()
	if (certificate || inDirectory) && !strings.ContainsAny(value, "\r\n") {
		return nil, fmt.Errorf("%s=%s: %w", setting, value, failed.Err)
	}
	return nil, fmt.Errorf("%s: %w: want the name of a file; the value is not shown, as it may be the secret itself", setting, failed.Err)
}
