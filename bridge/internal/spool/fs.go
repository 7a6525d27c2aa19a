package spool

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// fileSystem is what a log needs of its directory. Tests put one in that tears writes, is full, or slow.
type fileSystem interface {
	create(name string) (file, error) // an error that is fs.ErrExist when there is one
	open(name string) (file, error)   // to read and write
	remove(name string) error
	list() (sizes map[string]int64, err error)
	sync() error // makes what create and remove did last through a power cut
}

// file is what a log needs of a file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// directory is a fileSystem of the operating system.
type directory string

func (d directory) create(name string) (file, error) {
	return openFile(filepath.Join(string(d), name), os.O_CREATE|os.O_EXCL)
}

func (d directory) open(name string) (file, error) {
	return openFile(filepath.Join(string(d), name), 0)
}

func openFile(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err // and no typed nil
	}
	return f, nil
}

func (d directory) remove(name string) error { return os.Remove(filepath.Join(string(d), name)) }

func (d directory) list() (map[string]int64, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		sizes[e.Name()] = info.Size()
	}
	return sizes, nil
}

func (d directory) sync() error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there, and need not be
	}
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Sync()
}
