package spool

import "errors"

// faulty is a directory on a disk that can be full, slow or broken. Its fields are set before the log is opened or between
// operations by hand.
type faulty struct {
	directory
	space       *int64                 // bytes that can still be written to segments; nil: no end
	before      func(operation string) // on a segment: create, write, sync, remove; or on the position: note
	onRead      func(n int) error      // before n bytes of a segment are read
	syncErr     error                  // of segments
	positionErr error                  // of writing the position
}

var errNoSpace = errors.New("no space left on device")

func (f *faulty) create(name string) (file, error) {
	if _, ok := segmentFirst(name); ok {
		f.begin("create")
	}
	return f.wrap(name)(f.directory.create(name))
}

func (f *faulty) open(name string) (file, error) { return f.wrap(name)(f.directory.open(name)) }

func (f *faulty) remove(name string) error {
	if _, ok := segmentFirst(name); ok {
		f.begin("remove")
	}
	return f.directory.remove(name)
}

func (f *faulty) begin(operation string) {
	if f.before != nil {
		f.before(operation)
	}
}

// on makes something that is to be done before one operation fit faulty.before.
func on(operation string, do func()) func(string) {
	return func(o string) {
		if o == operation {
			do()
		}
	}
}

func (f *faulty) wrap(name string) func(file, error) (file, error) {
	return func(inner file, err error) (file, error) {
		_, segment := segmentFirst(name)
		switch {
		case err != nil:
			return nil, err
		case segment:
			return &faultyFile{inner, f}, nil
		case name == positionName:
			return &faultyPosition{inner, f}, nil
		}
		return inner, nil
	}
}

// faultyFile is a segment.
type faultyFile struct {
	file
	disk *faulty
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	f.disk.begin("write")
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
		if err := f.disk.onRead(len(p)); err != nil {
			return 0, err
		}
	}
	return f.file.ReadAt(p, at)
}

func (f *faultyFile) Sync() error {
	f.disk.begin("sync")
	if f.disk.syncErr != nil {
		return f.disk.syncErr
	}
	return f.file.Sync()
}

type faultyPosition struct {
	file
	disk *faulty
}

func (f *faultyPosition) WriteAt(p []byte, at int64) (int, error) {
	f.disk.begin("note")
	if f.disk.positionErr != nil {
		return 0, f.disk.positionErr
	}
	return f.file.WriteAt(p, at)
}
