package key

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Size is the length in bytes of every symmetric key, of X25519 keys and of
// Ed25519 public keys.
const Size = 32

// ErrInvalid is returned, wrapped with the key's role, by every Parse function
// for bytes that are not a key of that role.
var ErrInvalid = errors.New("invalid key")

// redactedText is what every secret prints as.
const redactedText = "(secret)"

// Redacted makes the struct that embeds it print as a fixed word under every
// fmt verb and in slog, and makes == on it a compile error.
//
// fmt cannot call methods on unexported fields, so a struct that keeps secrets
// in unexported fields must embed Redacted itself. A struct may embed it once:
// two embedded structs that both carry it hide each other's methods.
type Redacted struct{ _ [0]func() }

// String returns a fixed word.
func (Redacted) String() string { return redactedText }

// GoString returns a fixed word.
func (Redacted) GoString() string { return redactedText }

// Format writes a fixed word whatever the verb and flags.
func (Redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedText) }

// LogValue returns a fixed word.
func (Redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }

func invalid(role string, got, want int) error {
	return fmt.Errorf("%w: %s of %d bytes, want %d", ErrInvalid, role, got, want)
}
