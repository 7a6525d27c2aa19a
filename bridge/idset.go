package bridge

import "hash/maphash"

// idSet holds message ids as hashes: after a loss there may be a million of them.
type idSet map[uint64]struct{}

var idSeed = maphash.MakeSeed()

func (s idSet) add(id string) { s[maphash.String(idSeed, id)] = struct{}{} }

func (s idSet) addBytes(id []byte) { s[maphash.Bytes(idSeed, id)] = struct{}{} }

func (s idSet) has(id []byte) bool {
	if len(s) == 0 {
		return false
	}
	_, ok := s[maphash.Bytes(idSeed, id)]
	return ok
}
