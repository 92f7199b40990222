package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Signer makes Ed25519 signatures (RFC 8032, 64 bytes) with a key that stays
// where it is.
type Signer interface {
	Sign(message []byte) []byte
}

// Hash names a signed record: SHA-256 over all its bytes, signature included.
type Hash [sha256.Size]byte

// HashOf returns the hash of a signed record.
func HashOf(signed []byte) Hash { return sha256.Sum256(signed) }

func seal(body []byte, by Signer) []byte {
	return append(body, by.Sign(body)...)
}

// split separates a signed record into body and signature.
func split(signed []byte) (body, signature []byte, err error) {
	n := len(signed) - ed25519.SignatureSize
	if n <= 0 || len(signed) > MaxRecord {
		return nil, nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(signed))
	}
	return signed[:n], signed[n:], nil
}

func verify(public ed25519.PublicKey, body, signature []byte) error {
	if len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, body, signature) {
		return ErrSignature
	}
	return nil
}

// DeviceKey returns the Ed25519 public key (32 bytes) that a device's or
// server's peer ID stands for. Peer IDs of other key types are refused.
func DeviceKey(id peer.ID) (ed25519.PublicKey, error) {
	public, err := id.ExtractPublicKey()
	if err != nil || public.Type() != crypto.Ed25519 {
		return nil, fmt.Errorf("%w: peer ID is not an Ed25519 key", ErrMalformed)
	}
	raw, err := public.Raw()
	if err != nil {
		return nil, fmt.Errorf("%w: peer ID: %w", ErrMalformed, err)
	}
	return raw, nil
}

func (d *decoder) peer() peer.ID {
	b := d.bytes(maxPeerID)
	if d.err != nil {
		return ""
	}
	id, err := peer.IDFromBytes(b)
	if err != nil {
		d.fail("a peer ID does not parse")
		return ""
	}
	if _, err := DeviceKey(id); err != nil {
		d.fail("a peer ID is not an Ed25519 key")
	}
	return id
}
