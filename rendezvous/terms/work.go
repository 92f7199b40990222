package terms

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Puzzle is the work for one sign-up. How much of it is asked for is not part of it: a
// cluster that asks for less a moment later takes what was done.
type Puzzle struct{ seed [sha256.Size]byte }

// NewPuzzle returns the puzzle that a challenge asks of a device (the bytes of its peer
// ID) that signs up as an account.
func NewPuzzle(challenge, device []byte, account string) Puzzle {
	b := []byte("tryst/sign-up-work/1")
	for _, field := range [][]byte{challenge, device, []byte(account)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	return Puzzle{sha256.Sum256(b)}
}

// attempt is what is hashed: the seed, the part and a number. It fills less than one
// block of SHA-256.
type attempt [sha256.Size + 1 + nonceSize]byte

func (p Puzzle) attempt(part int) attempt {
	var a attempt
	copy(a[:], p.seed[:])
	a[sha256.Size] = byte(part)
	return a
}

// zeros returns the number of zero bits that the hash begins with, at most 64.
func (a *attempt) zeros(nonce uint64) int {
	binary.BigEndian.PutUint64(a[sha256.Size+1:], nonce)
	sum := sha256.Sum256(a[:])
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:]))
}

// Solved reports whether a proof shows that many bits of work, from MinBits to MaxBits.
func (p Puzzle) Solved(proof []byte, bits int) bool {
	if len(proof) != ProofSize || !possible(bits) {
		return false
	}
	for part := range Parts {
		a := p.attempt(part)
		if a.zeros(binary.BigEndian.Uint64(proof[part*nonceSize:])) < bits-partBits {
			return false
		}
	}
	return true
}

// Solver does the work, for as long and as often as its caller has it try: it owns no
// goroutine and no clock. One goroutine uses it.
type Solver struct {
	need  int // zero bits
	at    attempt
	nonce uint64
	proof []byte
	p     Puzzle
}

// Solver begins the work, of MinBits to MaxBits; other numbers of bits fail with
// ErrTerms.
func (p Puzzle) Solver(bits int) (*Solver, error) {
	if !possible(bits) {
		return nil, fmt.Errorf("%w: work of %d bits", ErrTerms, bits)
	}
	return &Solver{need: bits - partBits, at: p.attempt(0), p: p}, nil
}

// Try computes at most so many hashes and reports whether the work is done.
func (s *Solver) Try(hashes int) bool {
	for ; hashes > 0 && s.Done() < Parts; hashes-- {
		if s.at.zeros(s.nonce) >= s.need {
			s.proof = binary.BigEndian.AppendUint64(s.proof, s.nonce)
			s.at, s.nonce = s.p.attempt(s.Done()), 0
			continue
		}
		s.nonce++
	}
	return s.Done() == Parts
}

// Done returns how many of the Parts are done.
func (s *Solver) Done() int { return len(s.proof) / nonceSize }

// Proof returns what Solved takes, of ProofSize bytes, once the work is done.
func (s *Solver) Proof() []byte { return s.proof }
