// Package spool is an ordered queue of opaque records on disk, for one writer and one reader.
//
//	Append             writer                       Next                 Ack
//	frame ──▶ blocks in memory ──▶ segment files ──▶ blocks in memory ──▶ reader ──▶ position
//	               └───────── a reader who is close behind ─────────┘
//
// Append copies a frame into memory and never waits for the disk. One goroutine writes what is there a moment later, and syncs
// it every second: kill -9 takes the last milliseconds, of which the reader was given nothing yet, a power cut the last
// second. What the reader does not come to soon leaves the memory and is read back from the files in its turn. A disk that is full
// or hangs means that more waits in memory, up to a bound, and that the reader is given what is not written.
//
// Records have checksums, which are looked at when they are read: the files may be many, and opening them must be quick.
// What is not a record is skipped and kept aside. Records that are acknowledged stay for a while, for Rewind.
//
//   - log.go: Log and its options; Append, and what may be asked of a log
//   - read.go: Next, Ack, Rewind; all.go: All
//   - run.go: the loop of the writer, and a disk that takes nothing; write.go: what it writes
//   - discard.go: the end of acknowledged segments
//   - open.go: Open and recovery, Release
//   - record.go: the layout of a record; block.go: records in memory; segment.go: a file of them
//   - cursor.go: reading segments; damage.go: what to do where that fails
//   - position.go: how far the records are acknowledged
//   - fs.go: the few file operations that are needed, so that tests can make them fail
//
// It is a log of our own because the alternative, a JetStream file stream in process, took 28 times as long for the same records of
// one event and 3.5 times as long for records of 100, and CPU in like measure (BenchmarkSpool).
//
// The package does not look into frames, does not know where they go, and does not decide what a refused one means.
package spool
