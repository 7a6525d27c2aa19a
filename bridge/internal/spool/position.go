package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
)

// positionName is the file that says up to where the records are acknowledged: the sequence and the mark in 48 bytes,
// little endian, and their CRC32C in four. It is written in place: so few bytes do not tear, and if they did, the
// reader would get records again that it can tell it had.
const positionName = "position"

const positionSize = 52

// Mark says how far the destination of the records was when they were acknowledged.
type Mark struct {
	Created int64  // when the destination came to be, Unix ns: another one has another number
	Seq     uint64 // the highest sequence that it had acknowledged
	Witness uint64 // tells what has that sequence; 0 when that is not known
	Read    int64  // when the newest of the records was read, Unix ns
	Floor   uint64 // nothing of a record that is not acknowledged has a sequence up to this one
}

// position is what the file says.
type position struct {
	acked uint64
	mark  Mark
}

// openPosition opens the file, makes it when there is none, and returns what it says, nothing when nobody can tell.
func openPosition(fsys fileSystem) (f file, p position, err error) {
	f, err = fsys.open(positionName)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = fsys.create(positionName)
	}
	if err != nil {
		return nil, p, err
	}
	buf, err := readAt(f, make([]byte, positionSize), 0)
	if err != nil {
		return nil, p, errors.Join(err, f.Close())
	}
	if sum := positionSize - 4; len(buf) == positionSize && crc32.Checksum(buf[:sum], castagnoli) == binary.LittleEndian.Uint32(buf[sum:]) {
		p.acked = binary.LittleEndian.Uint64(buf)
		p.mark.Created = int64(binary.LittleEndian.Uint64(buf[8:]))
		p.mark.Seq = binary.LittleEndian.Uint64(buf[16:])
		p.mark.Witness = binary.LittleEndian.Uint64(buf[24:])
		p.mark.Read = int64(binary.LittleEndian.Uint64(buf[32:]))
		p.mark.Floor = binary.LittleEndian.Uint64(buf[40:])
	}
	return f, p, nil
}

// storePosition makes a position last through a power cut.
func storePosition(f file, p position) error {
	buf := binary.LittleEndian.AppendUint64(make([]byte, 0, positionSize), p.acked)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(p.mark.Created))
	buf = binary.LittleEndian.AppendUint64(buf, p.mark.Seq)
	buf = binary.LittleEndian.AppendUint64(buf, p.mark.Witness)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(p.mark.Read))
	buf = binary.LittleEndian.AppendUint64(buf, p.mark.Floor)
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(buf, castagnoli))
	if _, err := f.WriteAt(buf, 0); err != nil {
		return err
	}
	return f.Sync()
}
