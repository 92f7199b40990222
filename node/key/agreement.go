package key

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrLowOrder is returned by DH.Shared when the other side's point has low
// order, so that the result would be zero whatever the private key (RFC 7748,
// section 6.1).
var ErrLowOrder = errors.New("low-order X25519 public key")

// ErrUnset is returned when a key pair that was never set is used.
var ErrUnset = errors.New("key was never set")

// DH is an X25519 private key (RFC 7748) with its public half at hand, because
// computing that costs as much as an agreement. The zero value is no key.
type DH struct {
	Redacted
	priv *ecdh.PrivateKey
}

// NewDH returns a random key pair.
func NewDH() DH {
	priv, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		// crypto/rand.Reader never fails, and any 32 bytes are a key.
		panic("key: generate X25519: " + err.Error())
	}
	return DH{priv: priv}
}

// ParseDH reads the 32 bytes that Bytes returned. It costs one scalar
// multiplication.
func ParseDH(b []byte) (DH, error) {
	priv, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		return DH{}, invalid("X25519 private key", len(b), Size)
	}
	return DH{priv: priv}, nil
}

// Bytes returns a copy of the 32 secret bytes, or nil for the zero value.
func (k DH) Bytes() []byte {
	if k.priv == nil {
		return nil
	}
	return k.priv.Bytes()
}

// IsZero tells whether the key was never set.
func (k DH) IsZero() bool { return k.priv == nil }

// Equal compares in constant time.
func (k DH) Equal(o DH) bool {
	if k.priv == nil || o.priv == nil {
		return k.priv == o.priv
	}
	return k.priv.Equal(o.priv)
}

// Public returns the public half; zero for the zero value.
func (k DH) Public() (p DHPublic) {
	if k.priv != nil {
		copy(p.b[:], k.priv.PublicKey().Bytes())
	}
	return p
}

// Shared returns the 32-byte X25519 agreement with peer. It refuses a result
// of zero with ErrLowOrder.
func (k DH) Shared(peer DHPublic) (shared [Size]byte, err error) {
	if k.priv == nil {
		return shared, ErrUnset
	}
	pub, err := ecdh.X25519().NewPublicKey(peer.b[:])
	if err != nil {
		return shared, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	b, err := k.priv.ECDH(pub)
	if err != nil {
		return shared, ErrLowOrder // the only error left: an all-zero result
	}
	copy(shared[:], b)
	return shared, nil
}

// DHPublic is an X25519 public key. It is comparable and may be the key of a
// map; the zero value is a low-order point, which DH.Shared refuses.
type DHPublic struct{ b [Size]byte }

// ParseDHPublic reads the 32 bytes that Bytes returned.
func ParseDHPublic(b []byte) (k DHPublic, err error) {
	if len(b) != len(k.b) {
		return k, invalid("X25519 public key", len(b), len(k.b))
	}
	copy(k.b[:], b)
	return k, nil
}

// Bytes returns a copy of the 32 bytes.
func (k DHPublic) Bytes() []byte { return k.b[:] }

// Equal tells whether both are the same key.
func (k DHPublic) Equal(o DHPublic) bool { return k == o }

// IsZero tells whether the key was never set.
func (k DHPublic) IsZero() bool { return k == DHPublic{} }

// String returns the key in hexadecimal.
func (k DHPublic) String() string { return hex.EncodeToString(k.b[:]) }

const (
	// KEMSeedSize is the length in bytes of a stored KEM: the seed d || z
	// (FIPS 203, section 7.1).
	KEMSeedSize = mlkem.SeedSize
	// KEMPublicSize is the length in bytes of a KEMPublic.
	KEMPublicSize = mlkem.EncapsulationKeySize768
	// KEMCiphertextSize is the length in bytes of an encapsulation.
	KEMCiphertextSize = mlkem.CiphertextSize768
)

// KEM is an ML-KEM-768 decapsulation key (FIPS 203). The zero value is no key.
type KEM struct {
	Redacted
	priv *mlkem.DecapsulationKey768
}

// NewKEM returns a random key pair.
func NewKEM() KEM {
	priv, err := mlkem.GenerateKey768()
	if err != nil {
		// Only a broken build of crypto/mlkem errs here: it draws its seed from crypto/rand.
		panic("key: generate ML-KEM-768: " + err.Error())
	}
	return KEM{priv: priv}
}

// ParseKEM expands the 64-byte seed that Bytes returned.
func ParseKEM(seed []byte) (KEM, error) {
	priv, err := mlkem.NewDecapsulationKey768(seed)
	if err != nil {
		return KEM{}, invalid("ML-KEM-768 seed", len(seed), KEMSeedSize)
	}
	return KEM{priv: priv}, nil
}

// Bytes returns a copy of the 64-byte seed, or nil for the zero value.
func (k KEM) Bytes() []byte {
	if k.priv == nil {
		return nil
	}
	return k.priv.Bytes()
}

// IsZero tells whether the key was never set.
func (k KEM) IsZero() bool { return k.priv == nil }

// Equal compares in constant time.
func (k KEM) Equal(o KEM) bool {
	if k.priv == nil || o.priv == nil {
		return k.priv == o.priv
	}
	return subtle.ConstantTimeCompare(k.priv.Bytes(), o.priv.Bytes()) == 1
}

// Public returns the public half; the zero KEMPublic for the zero value.
func (k KEM) Public() KEMPublic {
	if k.priv == nil {
		return KEMPublic{}
	}
	return KEMPublic{pub: k.priv.EncapsulationKey()}
}

// Decapsulate returns the 32-byte secret in a ciphertext of KEMCiphertextSize
// bytes. A ciphertext of that length that was not made for this key yields an
// unrelated secret and no error (implicit rejection).
func (k KEM) Decapsulate(ciphertext []byte) (shared [Size]byte, err error) {
	if k.priv == nil {
		return shared, ErrUnset
	}
	b, err := k.priv.Decapsulate(ciphertext)
	if err != nil {
		return shared, invalid("ML-KEM-768 ciphertext", len(ciphertext), KEMCiphertextSize)
	}
	copy(shared[:], b)
	return shared, nil
}

// KEMPublic is an ML-KEM-768 encapsulation key, checked when it was parsed.
// The zero value is no key. Compare with Equal: == compares pointers.
type KEMPublic struct {
	_   [0]func() // refuses ==
	pub *mlkem.EncapsulationKey768
}

// ParseKEMPublic reads the 1184 bytes that Bytes returned and makes the check
// of FIPS 203, section 7.2.
func ParseKEMPublic(b []byte) (KEMPublic, error) {
	pub, err := mlkem.NewEncapsulationKey768(b)
	if err != nil {
		return KEMPublic{}, fmt.Errorf("%w: ML-KEM-768 public key: %w", ErrInvalid, err)
	}
	return KEMPublic{pub: pub}, nil
}

// Bytes returns a copy of the 1184 bytes, or nil for the zero value.
func (k KEMPublic) Bytes() []byte {
	if k.pub == nil {
		return nil
	}
	return k.pub.Bytes()
}

// IsZero tells whether the key was never set.
func (k KEMPublic) IsZero() bool { return k.pub == nil }

// Equal tells whether both are the same key.
func (k KEMPublic) Equal(o KEMPublic) bool { return bytes.Equal(k.Bytes(), o.Bytes()) }

// Encapsulate returns a fresh 32-byte secret and the ciphertext of
// KEMCiphertextSize bytes that carries it to the owner of the key.
func (k KEMPublic) Encapsulate() (shared [Size]byte, ciphertext []byte, err error) {
	if k.pub == nil {
		return shared, nil, ErrUnset
	}
	b, ciphertext := k.pub.Encapsulate()
	copy(shared[:], b)
	return shared, ciphertext, nil
}
