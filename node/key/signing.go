package key

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// signing is the body of both Ed25519 private roles: seed || public key.
type signing struct {
	Redacted
	b [ed25519.PrivateKeySize]byte
}

func signingFromSeed(seed []byte) (k signing) {
	copy(k.b[:], ed25519.NewKeyFromSeed(seed))
	return k
}

func newSigning() signing {
	var seed [ed25519.SeedSize]byte
	rand.Read(seed[:]) // never fails: crypto/rand ends the program instead
	return signingFromSeed(seed[:])
}

// Sign returns the 64-byte Ed25519 signature (RFC 8032) of msg.
func (k signing) Sign(msg []byte) []byte { return ed25519.Sign(k.b[:], msg) }

// IsZero tells whether the key was never set. A zero key must not sign.
func (k signing) IsZero() bool { return k.equal(signing{}) }

func (k signing) public() []byte { return k.b[ed25519.SeedSize:] }

func (k signing) equal(o signing) bool {
	return subtle.ConstantTimeCompare(k.b[:], o.b[:]) == 1
}

// Identity is an account's private Ed25519 key. It signs the account's device
// log and nothing else, and lies on no device: the vault keeps it.
type Identity struct{ signing }

// NewIdentity returns a random identity.
func NewIdentity() Identity { return Identity{newSigning()} }

// ParseIdentity reads the 32-byte seed that Bytes returned.
func ParseIdentity(seed []byte) (Identity, error) {
	if len(seed) != ed25519.SeedSize {
		return Identity{}, invalid("identity", len(seed), ed25519.SeedSize)
	}
	return Identity{signingFromSeed(seed)}, nil
}

// Bytes returns a copy of the 32-byte seed.
func (k Identity) Bytes() []byte { return bytes.Clone(k.b[:ed25519.SeedSize]) }

// Equal compares in constant time.
func (k Identity) Equal(o Identity) bool { return k.equal(o.signing) }

// Public returns the public half.
func (k Identity) Public() (p IdentityPublic) {
	copy(p.b[:], k.public())
	return p
}

// Device is the libp2p Ed25519 private key of one device. It signs the
// device's key bundle, presence and membership statements.
type Device struct{ signing }

// NewDevice returns a random device key.
func NewDevice() Device { return Device{newSigning()} }

// ParseDevice reads the 64 bytes that Bytes returned and checks that their
// second half is the public key of the first.
func ParseDevice(b []byte) (Device, error) {
	if len(b) != ed25519.PrivateKeySize {
		return Device{}, invalid("device key", len(b), ed25519.PrivateKeySize)
	}
	k := signingFromSeed(b[:ed25519.SeedSize])
	if subtle.ConstantTimeCompare(k.b[:], b) != 1 {
		return Device{}, ErrInvalid
	}
	return Device{k}, nil
}

// Bytes returns a copy of the 64 bytes seed || public key, the form that
// libp2p's UnmarshalEd25519PrivateKey takes.
func (k Device) Bytes() []byte { return bytes.Clone(k.b[:]) }

// Equal compares in constant time.
func (k Device) Equal(o Device) bool { return k.equal(o.signing) }

// Public returns a copy of the 32-byte public key, the one in the peer ID.
func (k Device) Public() []byte { return bytes.Clone(k.public()) }

// IdentityPublic is an account's public Ed25519 key. It is comparable and may
// be the key of a map; the zero value is no account's.
type IdentityPublic struct{ b [ed25519.PublicKeySize]byte }

// ParseIdentityPublic reads the 32 bytes that Bytes returned.
func ParseIdentityPublic(b []byte) (k IdentityPublic, err error) {
	if len(b) != len(k.b) {
		return k, invalid("identity public key", len(b), len(k.b))
	}
	copy(k.b[:], b)
	if k.IsZero() {
		return k, ErrInvalid
	}
	return k, nil
}

// Verify tells whether sig is the identity's signature of msg.
func (k IdentityPublic) Verify(msg, sig []byte) bool {
	return ed25519.Verify(k.b[:], msg, sig)
}

// Bytes returns a copy of the 32 bytes.
func (k IdentityPublic) Bytes() []byte { return k.b[:] }

// Equal tells whether both are the same key.
func (k IdentityPublic) Equal(o IdentityPublic) bool { return k == o }

// IsZero tells whether the key was never set.
func (k IdentityPublic) IsZero() bool { return k == IdentityPublic{} }

// String returns the key in hexadecimal.
func (k IdentityPublic) String() string { return hex.EncodeToString(k.b[:]) }

const (
	fingerprintLabel = "tryst identity fingerprint v1"
	// fingerprintBytes is 160 bits: 80 bits against two colluding keys, 160
	// against one that is to look like a given other, in 32 characters.
	fingerprintBytes = 20
	fingerprintGroup = 4 // characters that the eye takes in at once
)

// Fingerprint returns the key's hash for people to look at: eight groups of
// four lower-case base32 characters with a space between them. It names one
// key; the comparison string of two accounts is made in node/account.
func (k IdentityPublic) Fingerprint() string {
	h := sha256.New()
	h.Write([]byte(fingerprintLabel))
	h.Write(k.b[:])
	text := strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:fingerprintBytes]))
	groups := make([]string, 0, len(text)/fingerprintGroup)
	for ; len(text) > 0; text = text[fingerprintGroup:] {
		groups = append(groups, text[:fingerprintGroup])
	}
	return strings.Join(groups, " ")
}
