package account

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"fmt"

	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	numberLabel = "tryst comparison 1"
	// numberRounds makes each guess at a key with the same digits 5,200 times
	// dearer, and costs a person a few milliseconds. It is what Signal's numeric
	// fingerprints use.
	numberRounds = 5200
	// Each account has numberGroups groups of five digits, each from five bytes:
	// 30 digits are about 100 bits.
	numberGroups = 6
)

// ComparisonNumber returns the 60 digits that two people compare to know that
// nobody stands between them: the same for both, twelve groups of five with
// spaces between. It depends on the accounts' names and identity keys only.
func ComparisonNumber(a record.Account, aKey key.IdentityPublic, b record.Account, bKey key.IdentityPublic) string {
	first, second := accountDigest(a, aKey), accountDigest(b, bKey)
	if bytes.Compare(first, second) > 0 {
		first, second = second, first
	}
	return digits(first) + " " + digits(second)
}

// accountDigest iterates SHA-512 over the account and its key.
func accountDigest(a record.Account, k key.IdentityPublic) []byte {
	input := []byte(numberLabel)
	input = binary.BigEndian.AppendUint32(input, uint32(len(a)))
	input = append(append(input, a...), k.Bytes()...)
	digest := sha512.Sum512(input)
	for range numberRounds {
		digest = sha512.Sum512(append(digest[:], k.Bytes()...))
	}
	return digest[:]
}

func digits(digest []byte) string {
	var out []byte
	for i := range numberGroups {
		if i > 0 {
			out = append(out, ' ')
		}
		five := append(make([]byte, 3, 8), digest[5*i:5*i+5]...)
		out = fmt.Appendf(out, "%05d", binary.BigEndian.Uint64(five)%100_000)
	}
	return string(out)
}
