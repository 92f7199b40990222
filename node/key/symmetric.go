package key

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// symmetric is the body of every symmetric role: 32 uniformly random bytes.
type symmetric struct {
	Redacted
	b [Size]byte
}

func newSymmetric() (k symmetric) {
	rand.Read(k.b[:]) // never fails: crypto/rand ends the program instead
	return k
}

func parseSymmetric(role string, b []byte) (k symmetric, err error) {
	if len(b) != Size {
		return k, invalid(role, len(b), Size)
	}
	copy(k.b[:], b)
	return k, nil
}

// Bytes returns a copy of the 32 secret bytes.
func (k symmetric) Bytes() []byte { return k.b[:] }

// IsZero tells whether the key was never set.
func (k symmetric) IsZero() bool { return k.equal(symmetric{}) }

func (k symmetric) equal(o symmetric) bool {
	return subtle.ConstantTimeCompare(k.b[:], o.b[:]) == 1
}

// Message is a 32-byte key that seals one message; or several, where it is a
// wrapping key and each sealing draws a fresh salt (see node/crypto/seal).
type Message struct{ symmetric }

// NewMessage returns a random message key.
func NewMessage() Message { return Message{newSymmetric()} }

// ParseMessage reads the 32 bytes that Bytes returned.
func ParseMessage(b []byte) (Message, error) {
	k, err := parseSymmetric("message key", b)
	return Message{k}, err
}

// MessageFrom makes a message key of a derivation's output.
func MessageFrom(b [Size]byte) Message { return Message{symmetric{b: b}} }

// Equal compares in constant time.
func (k Message) Equal(o Message) bool { return k.equal(o.symmetric) }

// File is the 32-byte key of one file's content. It is never used again when
// the content has changed.
type File struct{ symmetric }

// NewFile returns a random file key.
func NewFile() File { return File{newSymmetric()} }

// ParseFile reads the 32 bytes that Bytes returned.
func ParseFile(b []byte) (File, error) {
	k, err := parseSymmetric("file key", b)
	return File{k}, err
}

// Equal compares in constant time.
func (k File) Equal(o File) bool { return k.equal(o.symmetric) }

// Epoch is the 32-byte secret that the members of one group epoch share.
type Epoch struct{ symmetric }

// NewEpoch returns a random epoch secret.
func NewEpoch() Epoch { return Epoch{newSymmetric()} }

// ParseEpoch reads the 32 bytes that Bytes returned.
func ParseEpoch(b []byte) (Epoch, error) {
	k, err := parseSymmetric("epoch secret", b)
	return Epoch{k}, err
}

// Equal compares in constant time.
func (k Epoch) Equal(o Epoch) bool { return k.equal(o.symmetric) }

// Store is the 32-byte key of a device's local store.
type Store struct{ symmetric }

// NewStore returns a random store key.
func NewStore() Store { return Store{newSymmetric()} }

// ParseStore reads the 32 bytes that Bytes returned, or a derivation's output.
func ParseStore(b []byte) (Store, error) {
	k, err := parseSymmetric("store key", b)
	return Store{k}, err
}

// Equal compares in constant time.
func (k Store) Equal(o Store) bool { return k.equal(o.symmetric) }

// Sealing returns the key as seal.Seal takes it, with role seal.Store.
func (k Store) Sealing() Message { return Message(k) }

// Sync is the 32-byte key of the blob by which pins, blocks and chain heads
// follow an account to a new device. It lies in the vault.
type Sync struct{ symmetric }

// NewSync returns a random sync key.
func NewSync() Sync { return Sync{newSymmetric()} }

// ParseSync reads the 32 bytes that Bytes returned.
func ParseSync(b []byte) (Sync, error) {
	k, err := parseSymmetric("sync key", b)
	return Sync{k}, err
}

// Equal compares in constant time.
func (k Sync) Equal(o Sync) bool { return k.equal(o.symmetric) }

// Sealing returns the key as seal.Seal takes it, with role seal.Sync.
func (k Sync) Sealing() Message { return Message(k) }

// Vault is the 32-byte key that wraps an account's identity in the directory.
// Only the password yields it, so it has no Parse: it is never stored.
type Vault struct{ symmetric }

// ExportKeySize is the length of OPAQUE's export key with SHA-512 (RFC 9807,
// section 6.4: Nh bytes).
const ExportKeySize = 64

// vaultLabel separates the vault key from any other use of the export key.
const vaultLabel = "tryst vault key v1"

// VaultFromExport derives the vault key from OPAQUE's 64-byte export key by
// HKDF-Expand-SHA-256.
func VaultFromExport(exportKey []byte) (Vault, error) {
	if len(exportKey) != ExportKeySize {
		return Vault{}, invalid("export key", len(exportKey), ExportKeySize)
	}
	b, err := hkdf.Expand(sha256.New, exportKey, vaultLabel, Size)
	if err != nil {
		return Vault{}, fmt.Errorf("derive vault key: %w", err)
	}
	k, err := parseSymmetric("vault key", b)
	return Vault{k}, err
}

// Equal compares in constant time.
func (k Vault) Equal(o Vault) bool { return k.equal(o.symmetric) }

// Sealing returns the key as seal.Seal takes it, with role seal.Vault.
func (k Vault) Sealing() Message { return Message(k) }
