package spool

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// Record is one frame, and when it came.
type Record struct {
	Seq   uint64 // grows by one with each Append, over restarts too
	At    time.Time
	Kind  uint8 // what the frame is, to whoever appended it
	Frame []byte

	// Lost is how many records before this one Next skipped, as they are damaged or missing. Since is when the one
	// before those came, zero when nobody knows.
	Lost  uint64
	Since time.Time
}

// A record in a segment, and in memory as well; little endian:
//
//	0        4        8                16               24     25
//	+--------+--------+----------------+----------------+------+-- - - - --+
//	| crc32c | length |      seq       |    time, ns    | kind |   frame   |
//	+--------+--------+----------------+----------------+------+-- - - - --+
//
// The checksum is of everything behind it. The length is that of the frame, in bytes.
const recordHeader = 25

// maxFrame is the longest frame, in bytes. A length beyond it is damage.
const maxFrame = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendRecord(buf []byte, seq uint64, at time.Time, kind uint8, frame []byte) []byte {
	start := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, 0)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(frame)))
	buf = binary.LittleEndian.AppendUint64(buf, seq)
	buf = binary.LittleEndian.AppendUint64(buf, uint64(at.UnixNano()))
	buf = append(buf, kind)
	buf = append(buf, frame...)
	binary.LittleEndian.PutUint32(buf[start:], crc32.Checksum(buf[start+4:], castagnoli))
	return buf
}

// These read the record at the beginning of a buffer that holds its header.

func sizeOf(buf []byte) int       { return recordHeader + int(binary.LittleEndian.Uint32(buf[4:])) }
func seqOf(buf []byte) uint64     { return binary.LittleEndian.Uint64(buf[8:]) }
func timeOf(buf []byte) time.Time { return time.Unix(0, int64(binary.LittleEndian.Uint64(buf[16:]))) }

func recordOf(buf []byte) Record {
	size := sizeOf(buf)
	return Record{Seq: seqOf(buf), At: timeOf(buf), Kind: buf[recordHeader-1], Frame: buf[recordHeader:size:size]}
}

// intact reports whether a buffer begins with a whole and undamaged record.
func intact(buf []byte) bool {
	if len(buf) < recordHeader || binary.LittleEndian.Uint32(buf[4:]) > maxFrame || sizeOf(buf) > len(buf) {
		return false
	}
	return crc32.Checksum(buf[4:sizeOf(buf)], castagnoli) == binary.LittleEndian.Uint32(buf)
}

// prefix returns how many bytes at the beginning of a buffer are intact records with sequences that
// grow from above after, and the last of these sequences, or after when there is none.
func prefix(buf []byte, after uint64) (size int, last uint64) {
	for intact(buf[size:]) && seqOf(buf[size:]) > after {
		after = seqOf(buf[size:])
		size += sizeOf(buf[size:])
	}
	return size, after
}
