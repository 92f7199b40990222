package auth

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// suite1 is the number of the only suite there is; see the package's comment.
const suite1 = 1

// headerLen is the encoded size of a ksf, in bytes.
const headerLen = 1 + 4 + 4 + 1

// ksf is the key stretching function: suite 1's Argon2id at a certain cost. It
// is chosen by the client that registers and kept with its record, so that a
// later version may raise the cost without shutting anybody out.
//
// Encoded (suite, memory, passes, lanes; big endian) it is the header of every
// record and of every KE2: the client must know the cost before it can check
// anything, so the header comes unauthenticated. Therefore it is bounded both
// ways, see [ksf.check], and both sides put it into the transcript.
type ksf struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// defaultKSF is what new records get.
func defaultKSF() ksf {
	return ksf{memory: defaultMemory, passes: defaultPasses, lanes: defaultLanes}
}

// appendTo appends the header.
func (k ksf) appendTo(b []byte) []byte {
	b = append(b, suite1)
	b = binary.BigEndian.AppendUint32(b, k.memory)
	b = binary.BigEndian.AppendUint32(b, k.passes)
	return append(b, k.lanes)
}

// parseKSF reads a header of headerLen bytes and applies the bounds. It fails
// with ErrUnacceptableCost.
func parseKSF(header []byte) (ksf, error) {
	if header[0] != suite1 {
		return ksf{}, fmt.Errorf("%w: suite %d", ErrUnacceptableCost, header[0])
	}
	k := ksf{
		memory: binary.BigEndian.Uint32(header[1:5]),
		passes: binary.BigEndian.Uint32(header[5:9]),
		lanes:  header[9],
	}
	return k, k.check()
}

// check applies the bounds of limits.go.
func (k ksf) check() error {
	switch {
	case k.memory < defaultMemory, k.passes < defaultPasses, k.lanes < defaultLanes,
		k.memory > maxMemory, k.passes > maxPasses, k.lanes > maxLanes:
		return fmt.Errorf("%w: Argon2id with %d KiB, %d passes, %d lanes",
			ErrUnacceptableCost, k.memory, k.passes, k.lanes)
	}
	return nil
}

// stretcher turns an OPRF output into hashLen bytes at a cost. There are two:
// argon2id, and the identity that RFC 9807's test vectors use.
type stretcher func(k ksf, oprfOutput []byte) []byte

// argon2id takes a salt of zeros as RFC 9807 section 7 does: the OPRF output is
// different for each account already.
func argon2id(k ksf, oprfOutput []byte) []byte {
	var salt [16]byte
	return argon2.IDKey(oprfOutput, salt[:], k.passes, k.memory, k.lanes, hashLen)
}
