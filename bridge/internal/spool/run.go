package spool

import (
	"errors"
	"fmt"
	"time"
)

// writeEvery is how long the writer lets records collect after it has written some. It is what kill -9 may take, and
// spares a system call for each frame of a busy feed.
const writeEvery = 2 * time.Millisecond

// patience is how long one operation on the disk may take before the reader goes on without it.
const patience = time.Second

// errHangs is what Log.Err says while an operation lasts longer than that.
var errHangs = fmt.Errorf("the disk has not answered for %v", patience)

// releasePatience is how long Release waits before it looks whether the disk hangs, and gives up if so.
const releasePatience = 10 * time.Second

// startWriting starts the writer. From now on the reader gets what is written.
func (l *Log) startWriting() {
	l.hasWriter = true
	go l.run()
}

// run writes what is appended until Release.
func (l *Log) run() {
	defer close(l.ended)
	tick := time.NewTicker(l.opt.SyncEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.unsaved:
			if l.Err() != nil {
				continue // tried again by the clock
			}
			l.report(errors.Join(l.write(), l.patiently(l.saveRewind)))
			select {
			case <-time.After(writeEvery):
			case <-l.released:
			}
		case <-tick.C:
			l.save()
			_ = l.patiently(func() error { l.discard(time.Now()); return nil })
			notify(l.woken) // a file that could not be read may be readable by now
		case <-l.released:
			l.save()
			return
		}
	}
}

// save brings all that is known to the disk.
func (l *Log) save() {
	l.report(errors.Join(l.write(), l.patiently(l.sync), l.patiently(l.savePosition)))
}

// report tells when the disk takes nothing, and when it does again.
func (l *Log) report(err error) {
	l.mu.Lock()
	before := l.err
	l.err = err
	notify(l.woken)
	l.mu.Unlock()
	switch {
	case err != nil && before == nil:
		l.log.Error("the spool cannot be written, frames wait in memory", "err", err)
	case err == nil && before != nil:
		l.log.Info("the spool is written again")
	}
}

// patiently does something with the disk, and tells when that takes too long: a disk that hangs gives no error. One that was full
// may hang as well, and Release must know.
func (l *Log) patiently(work func() error) error {
	told := make(chan struct{})
	alarm := time.AfterFunc(patience, func() {
		defer close(told)
		l.report(errHangs)
	})
	err := work()
	if !alarm.Stop() {
		<-told
	}
	if err == nil && l.Err() == errHangs {
		l.report(nil)
	}
	return err
}
