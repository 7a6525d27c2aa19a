package bridge

import (
	"context"
	"errors"

	"bridge/polygon"
)

// ConfigError is an error that only another setting can mend.
type ConfigError struct{ err error }

func (e *ConfigError) Error() string { return e.err.Error() }
func (e *ConfigError) Unwrap() error { return e.err }

// ExitCode returns the exit code of a process whose Run returned err: 0 it was asked to stop, 1 it
// gave up, 2 a setting is wrong or the key was refused.
func ExitCode(err error) int {
	var config *ConfigError
	var stream *StreamError
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return 0
	case errors.As(err, &config), errors.As(err, &stream), errors.Is(err, polygon.ErrAuth):
		return 2
	}
	return 1
}
