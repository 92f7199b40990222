package seal

import (
	"bytes"
	"math/bits"
)

// padMark ends the content; zeros follow it (ISO/IEC 7816-4). Content of any
// kind, trailing zeros included, comes back as it was.
const padMark = 0x80

// Pad returns b followed by a mark and zeros, as long as PaddedLen says.
func Pad(b []byte) []byte {
	out := make([]byte, PaddedLen(len(b)))
	out[copy(out, b)] = padMark
	return out
}

// Unpad undoes Pad. It returns ErrPadding for anything that Pad would not have
// made, so that a content has one padded form. The result aliases b.
//
// It takes time that depends on the content's length, which is no oracle after
// authentication: call it only on what Open returned.
func Unpad(b []byte) ([]byte, error) {
	content := bytes.TrimRight(b, "\x00")
	n := len(content) - 1
	if n < 0 || content[n] != padMark || PaddedLen(n) != len(b) {
		return nil, ErrPadding
	}
	return content[:n:n], nil
}

// PaddedLen returns the length of a padded content of n bytes: the next
// multiple of PadBucket up to PadBucketsUpTo, then the next Padmé length. It
// is always more than n, because of the mark.
func PaddedLen(n int) int {
	n++
	if n <= PadBucketsUpTo {
		return roundUp(n, PadBucket)
	}
	return padme(n)
}

// padme rounds n > 1 up to a number with as few significant bits as its
// exponent has, plus one (Nikitin et al., "Reducing Metadata Leakage from
// Encrypted Files and Communication with PURBs", 2019, algorithm 1).
func padme(n int) int {
	exponent := bits.Len(uint(n)) - 1
	significant := bits.Len(uint(exponent))
	return roundUp(n, 1<<(exponent-significant))
}

// roundUp returns the next multiple of step, a power of two.
func roundUp(n, step int) int { return (n + step - 1) &^ (step - 1) }
