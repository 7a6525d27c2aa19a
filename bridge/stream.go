package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// duplicateWindow is how long the server remembers message ids. Longer costs it memory (some 130
	// bytes an id); what is older is the business of reconcile.
	duplicateWindow = 2 * time.Minute
	// maxMessageBytes is the stream's limit for one message. The feed's largest events have a few hundred bytes.
	maxMessageBytes = 64 << 10
	// leastMessageBytes is the smallest limit with which a dead letter is still worth keeping.
	leastMessageBytes = 4 << 10
)

// streamConfig is the stream as the bridge makes it.
func streamConfig(cfg Config) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        cfg.Stream,
		Description: "events of the " + string(cfg.Market) + " feed, as sent",
		Subjects:    []string{string(cfg.Market) + ".>"},
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      cfg.StreamMaxAge,
		MaxBytes:    cfg.StreamMaxBytes,
		MaxMsgSize:  maxMessageBytes,
		Storage:     jetstream.FileStorage,
		Replicas:    cfg.StreamReplicas,
		Duplicates:  duplicateWindow,
		Compression: jetstream.S2Compression,
		AllowDirect: true,
		DenyDelete:  true,
	}
}

// openStream returns the stream, made when it is absent. One that is there is never changed in
// silence: what breaks the promise is an error that names the mending command, unless the
// configuration says that the bridge may apply it. Then it applies what streamAdvice would name, too, and logs what it has changed.
func openStream(ctx context.Context, js jetstream.JetStream, cfg Config, log *slog.Logger) (jetstream.Stream, error) {
	want := streamConfig(cfg)
	stream, err := js.Stream(ctx, cfg.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
		if err != nil {
			return nil, explainCreate(ctx, js, cfg, err)
		}
		return stream, nil
	}
	if err != nil {
		return nil, explainStream(fmt.Errorf("open stream %s: %w", cfg.Stream, err))
	}
	have := stream.CachedInfo().Config
	faults := streamFaults(have, want)
	if len(faults) > 0 && (!cfg.StreamUpdate || slices.ContainsFunc(faults, streamFault.fixed)) {
		return nil, &StreamError{cfg.Stream, "cannot keep the promise", faults, cfg.NATS.embedded}
	}
	faults = append(faults, streamWishes(have, cfg)...)
	if len(faults) == 0 || !cfg.StreamUpdate {
		return stream, nil
	}
	mended := have
	for _, f := range faults {
		f.mend(&mended)
	}
	stream, err = js.UpdateStream(ctx, mended)
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("BRIDGE_STREAM_UPDATE: update stream %s: %w", cfg.Stream, err)}
	}
	for _, f := range faults {
		log.Info("stream changed, as BRIDGE_STREAM_UPDATE allows", "stream", cfg.Stream, "setting", f.flag, "from", f.from, "to", f.to)
	}
	return stream, nil
}

// StreamError says that the stream exists and differs from what the promise needs.
type StreamError struct {
	Stream   string
	trouble  string // as in "cannot keep the promise"
	faults   []streamFault
	embedded bool // it is in the bridge's own NATS server, which ends with the bridge
}

func (e *StreamError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stream %s exists and %s:", e.Stream, e.trouble)
	flags := ""
	for _, f := range e.faults {
		fmt.Fprintf(&b, " %s;", f.what)
		if f.fixed() {
			fmt.Fprintf(&b, " this cannot be changed in place: set BRIDGE_STREAM to another name, or back up and remove the stream")
			return b.String()
		}
		flags += " " + f.argument()
	}
	if !e.embedded {
		fmt.Fprintf(&b, " mend it with `nats stream edit %s%s`, or", e.Stream, flags)
	}
	b.WriteString(" set BRIDGE_STREAM_UPDATE=true")
	return b.String()
}

// streamFault is one setting of an existing stream that is not as it must be, or as it was wished.
type streamFault struct {
	what     string
	flag     string                        // of `nats stream edit`
	from, to any                           // values of the flag
	mend     func(*jetstream.StreamConfig) // nil: the server does not allow the change
}

func (f streamFault) fixed() bool { return f.mend == nil }

// argument is the flag as a shell takes it.
func (f streamFault) argument() string {
	arg := fmt.Sprintf("--%s=%v", f.flag, f.to)
	switch {
	case f.to == true:
		return "--" + f.flag
	case strings.Contains(arg, ">"):
		return "'" + arg + "'"
	}
	return arg
}

// streamFaults compares a stream with what the promise needs.
func streamFaults(have, want jetstream.StreamConfig) (faults []streamFault) {
	add := func(wrong bool, what, flag string, from, to any, mend func(*jetstream.StreamConfig)) {
		if wrong {
			faults = append(faults, streamFault{what, flag, from, to, mend})
		}
	}
	fixed := func(wrong bool, what string) { add(wrong, what, "", nil, nil, nil) }
	for _, subject := range want.Subjects {
		covered := func(s string) bool { return strings.HasPrefix(s, strings.TrimSuffix(subject, ">")) } // no two may overlap
		subjects := append(slices.DeleteFunc(slices.Clone(have.Subjects), covered), subject)
		add(!slices.Contains(have.Subjects, subject), "it does not have the subjects "+subject,
			"subjects", strings.Join(have.Subjects, ","), strings.Join(subjects, ","), func(c *jetstream.StreamConfig) { c.Subjects = subjects })
	}
	fixed(have.Retention != want.Retention, "its retention is "+strings.ToLower(have.Retention.String())+", not limits")
	fixed(have.Storage != want.Storage, "its storage is "+strings.ToLower(have.Storage.String())+", not file")
	fixed(have.Mirror != nil, "it is a mirror")
	fixed(have.Sealed, "it is sealed")
	add(have.NoAck, "it does not acknowledge", "ack", false, true, func(c *jetstream.StreamConfig) { c.NoAck = false })
	add(have.MaxMsgsPerSubject > 0, fmt.Sprintf("it keeps only %d messages a subject, so versions of bars are lost", have.MaxMsgsPerSubject),
		"max-msgs-per-subject", have.MaxMsgsPerSubject, -1, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = -1 })
	add(have.MaxMsgSize > 0 && have.MaxMsgSize < leastMessageBytes, fmt.Sprintf("its largest message has %d bytes", have.MaxMsgSize),
		"max-msg-size", have.MaxMsgSize, maxMessageBytes, func(c *jetstream.StreamConfig) { c.MaxMsgSize = maxMessageBytes })
	fixed(have.SubjectTransform != nil, "it changes subjects")
	return faults
}

// streamWishes compares a stream with the limits that were set, and with the duplicate window that is promised for what the vendor
// sends twice. None of them is worth refusing the stream. A limit that was not set is the operator's to choose with other tools.
func streamWishes(have jetstream.StreamConfig, cfg Config) (wishes []streamFault) {
	add := func(differs bool, flag string, have, want any, mend func(*jetstream.StreamConfig)) {
		if differs {
			wishes = append(wishes, streamFault{fmt.Sprintf("it has %s=%v, not %v", flag, have, want), flag, have, want, mend})
		}
	}
	add(cfg.StreamSet.Replicas && have.Replicas != cfg.StreamReplicas, "replicas", have.Replicas, cfg.StreamReplicas,
		func(c *jetstream.StreamConfig) { c.Replicas = cfg.StreamReplicas })
	add(cfg.StreamSet.MaxBytes && have.MaxBytes != cfg.StreamMaxBytes, "max-bytes", formatSize(have.MaxBytes), formatSize(cfg.StreamMaxBytes),
		func(c *jetstream.StreamConfig) { c.MaxBytes = cfg.StreamMaxBytes })
	age := have.MaxAge
	if cfg.StreamSet.MaxAge {
		age = cfg.StreamMaxAge
	}
	add(have.MaxAge != age, "max-age", have.MaxAge, age, func(c *jetstream.StreamConfig) { c.MaxAge = age })
	window := duplicateWindow
	if age > 0 {
		window = min(window, age) // the server refuses a longer one
	}
	add(have.Duplicates < window, "dupe-window", have.Duplicates, window, func(c *jetstream.StreamConfig) { c.Duplicates = window })
	return wishes
}

// streamAdvice returns what is not as wished in the stream that openStream returned, nil if nothing is.
func streamAdvice(have jetstream.StreamConfig, cfg Config) error {
	if wishes := streamWishes(have, cfg); len(wishes) > 0 {
		return &StreamError{cfg.Stream, "is used as it is", wishes, false}
	}
	return nil
}

// explainCreate says what to do about a stream that could not be made.
func explainCreate(ctx context.Context, js jetstream.JetStream, cfg Config, err error) error {
	want := streamConfig(cfg)
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return explainStream(fmt.Errorf("create stream %s: %w", want.Name, err))
	}
	const codeSubjectOverlap, codeReplicasNeedCluster = 10065, 10074
	switch api.ErrorCode {
	case codeSubjectOverlap:
		other, nameErr := js.StreamNameBySubject(ctx, want.Subjects[0])
		if nameErr != nil {
			other = "another stream"
		}
		remedy := "set BRIDGE_STREAM=" + other + " to publish into it, or take the subjects from it with `nats stream edit`"
		if cfg.NATS.embedded { // the server ends with the bridge
			remedy = "set BRIDGE_STREAM=" + other + " and BRIDGE_STREAM_UPDATE=true to publish into it"
		}
		return &ConfigError{fmt.Errorf("create stream %s: %s has subjects that overlap with %s; %s", want.Name, other, want.Subjects[0], remedy)}
	case codeReplicasNeedCluster:
		return &ConfigError{fmt.Errorf("create stream %s: BRIDGE_STREAM_REPLICAS=%d needs a cluster of NATS servers, and NATS_URL names a single one: set it to 1", want.Name, want.Replicas)}
	case codeStorageExceeded, codeInsufficient, codeMemoryExceeded, codeAccountExceeded:
		return &ConfigError{fmt.Errorf("create stream %s: the server has no room for BRIDGE_STREAM_MAX_BYTES=%s with BRIDGE_STREAM_REPLICAS=%d: lower it, free disk space, or raise the server's JetStream limits (%w)", want.Name, formatSize(want.MaxBytes), want.Replicas, err)}
	}
	return explainStream(fmt.Errorf("create stream %s: %w", want.Name, err))
}

// explainStream adds the remedy where JetStream itself is missing.
func explainStream(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return &ConfigError{fmt.Errorf("%w: start the server at NATS_URL with JetStream (nats-server -js)", err)}
	case errors.Is(err, nats.ErrNoResponders): // which does not tell the two apart
		return fmt.Errorf("%w: has the server JetStream (nats-server -js), or does its cluster elect a leader?", err)
	}
	return err
}
