package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
)

// extract is HKDF-SHA-512's Extract with an empty salt, the only one used here.
func extract(ikm []byte) []byte {
	prk, err := hkdf.Extract(sha512.New, ikm, nil)
	must(err)
	return prk
}

// expand is HKDF-SHA-512's Expand with info = prefix || label. No caller asks
// for more than 255 hashes, the only thing that could fail.
func expand(prk, prefix []byte, label string, length int) []byte {
	out, err := hkdf.Expand(sha512.New, prk, string(prefix)+label, length)
	must(err)
	return out
}

// expandLabel is Derive-Secret of RFC 9807 section 6.4.2: a key of hashLen bytes
// from a secret, bound to a label and the hash of a transcript.
func expandLabel(secret []byte, label string, transcriptHash []byte) []byte {
	const prefix = "OPAQUE-"
	info := binary.BigEndian.AppendUint16(nil, hashLen)
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix+label...)
	info = append(info, byte(len(transcriptHash)))
	info = append(info, transcriptHash...)
	return expand(secret, info, "", hashLen)
}

// mac is HMAC-SHA-512 of the parts in a row.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha512.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// equal compares in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// xor returns a XOR b, which have one length.
func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	subtle.XORBytes(out, a, b)
	return out
}

// appendVector appends v after its length in two bytes, as the RFC's opaque
// vectors are written. Callers have bounded v (see limits.go).
func appendVector(b, v []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	return append(b, v...)
}
