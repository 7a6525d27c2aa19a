package spool

import "errors"

// faulty is a directory on a disk that can be full, slow or broken. Its fields are set before the log is opened or between
// operations by hand.
type faulty struct {
	directory
	space   *int64                 // bytes that can still be written to segments; nil: no end
	before  func(operation string) // that a segment is created, written, synced or removed
	onRead  func() error           // before a segment is read
	syncErr error                  // of segments
}

var errNoSpace = errors.New("no space left on device")

func (f *faulty) create(name string) (file, error) {
	f.operation("create", name)
	return f.wrap(name)(f.directory.create(name))
}

func (f *faulty) open(name string) (file, error) { return f.wrap(name)(f.directory.open(name)) }

func (f *faulty) remove(name string) error {
	f.operation("remove", name)
	return f.directory.remove(name)
}

func (f *faulty) operation(operation, name string) {
	if _, ok := segmentFirst(name); ok && f.before != nil {
		f.before(operation)
	}
}

// onWrite makes what is to be done before a write one for faulty.before.
func onWrite(do func()) func(string) {
	return func(operation string) {
		if operation == "write" {
			do()
		}
	}
}

func (f *faulty) wrap(name string) func(file, error) (file, error) {
	return func(inner file, err error) (file, error) {
		if _, ok := segmentFirst(name); !ok || err != nil {
			return inner, err
		}
		return &faultyFile{inner, f, name}, nil
	}
}

type faultyFile struct {
	file
	disk *faulty
	name string
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	f.disk.operation("write", f.name)
	if f.disk.space == nil || int64(len(p)) <= *f.disk.space {
		if f.disk.space != nil {
			*f.disk.space -= int64(len(p))
		}
		return f.file.WriteAt(p, at)
	}
	n, err := f.file.WriteAt(p[:*f.disk.space], at)
	*f.disk.space = 0
	if err == nil {
		err = errNoSpace
	}
	return n, err
}

func (f *faultyFile) ReadAt(p []byte, at int64) (int, error) {
	if f.disk.onRead != nil {
		if err := f.disk.onRead(); err != nil {
			return 0, err
		}
	}
	return f.file.ReadAt(p, at)
}

func (f *faultyFile) Sync() error {
	f.disk.operation("sync", f.name)
	if f.disk.syncErr != nil {
		return f.disk.syncErr
	}
	return f.file.Sync()
}
