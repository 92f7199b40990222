package terms

import (
	"crypto/sha256"
	"time"
)

const (
	// randomSize is the random part of a code, in bytes: 104 bits. A million codes
	// that are out, tried at a million a second, are found after 600 billion years.
	randomSize = 13
	// checkSize is its checksum: one mistake in 65,536 passes for a code, and then
	// the servers do not know it.
	checkSize = 2
	// codeSize is the length of a code without hyphens: five bits a letter, none left.
	codeSize = (randomSize + checkSize) * 8 / 5
	// group is how many letters stand together: as many as one keeps in mind from
	// hearing to typing.
	group = 4
	// maxTyped bounds what is read as a code: one with a blank after each letter.
	maxTyped = 64

	// HashSize is the length of a code's hash, in bytes.
	HashSize = sha256.Size
)

const (
	// Parts is how many searches the work is cut into: 2^partBits, enough for a bar
	// that moves, and few enough that the proof stays small.
	Parts    = 1 << partBits
	partBits = 4
	// ProofSize is the length of a proof, in bytes: a number for each part.
	ProofSize = Parts * nonceSize
	nonceSize = 8

	// MinBits and MaxBits bound what may be asked for: 2^bits hashes on average. Less
	// is no work: a hash or two a part. More keeps people out: an ordinary computer
	// does some ten million hashes a second and a slow phone one, so that 2^26 is
	// seven seconds there and a minute here; and a server that lies cannot burn a
	// battery. See Benchmark.
	MinBits = 8
	MaxBits = 26
	// UsualBits is what is asked for unless the operator says otherwise: half a second
	// on a computer, four on a slow phone, and five days of a core for a million
	// accounts.
	UsualBits = 22

	// ChallengeSize is the length of a challenge, in bytes.
	ChallengeSize = timeSize + macSize
	timeSize      = 8
	macSize       = 16 // forging one is guessing 128 bits at the servers' speed
	// KeySize is that of the key of challenges, in bytes.
	KeySize = 32

	// ChallengeLifetime is how long a challenge stands: several times what the most
	// work takes the slowest device, and short enough that nobody gathers solutions
	// for a day and spends them in an hour.
	ChallengeLifetime = 10 * time.Minute
	// skew is how far ahead the clock of the server that made a challenge may be of
	// the one that checks it.
	skew = 10 * time.Second
)
