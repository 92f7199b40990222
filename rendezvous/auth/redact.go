package auth

import (
	"crypto/subtle"
	"fmt"
)

// redacted, embedded, makes a struct print as "[redacted]" under every verb of
// fmt, and so in log/slog and in test failures too.
type redacted struct{}

// Format implements fmt.Formatter.
func (redacted) Format(s fmt.State, _ rune) { fmt.Fprint(s, "[redacted]") }

// ExportKey is a secret of 64 bytes that registration and every login with the
// same password yield, and that no server learns (RFC 9807 section 3).
// A new registration, which is also how a password is changed, yields another.
type ExportKey struct {
	redacted
	key [hashLen]byte
	_   [0]func() // not comparable with ==, which is not constant time
}

// Bytes returns a copy of the key, for deriving other keys from.
func (k ExportKey) Bytes() []byte { return append([]byte(nil), k.key[:]...) }

// Equal compares in constant time.
func (k ExportKey) Equal(other ExportKey) bool {
	return subtle.ConstantTimeCompare(k.key[:], other.key[:]) == 1
}

// SessionKey is a secret of 64 bytes that client and server share after one
// login (RFC 9807 section 6.4). It is fresh every time.
type SessionKey struct {
	redacted
	key [hashLen]byte
	_   [0]func() // not comparable with ==, which is not constant time
}

// Bytes returns a copy of the key, for deriving other keys from.
func (k SessionKey) Bytes() []byte { return append([]byte(nil), k.key[:]...) }

// Equal compares in constant time.
func (k SessionKey) Equal(other SessionKey) bool {
	return subtle.ConstantTimeCompare(k.key[:], other.key[:]) == 1
}
