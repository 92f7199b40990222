package pqxdh

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/key"
)

// info names the parameters as the specification forms it (section 2.2).
const info = "tryst pqxdh v1_CURVE25519_SHA-256_ML-KEM-768"

// secretSize is root key || header key of A || header key of B.
const secretSize = 3 * key.Size

// ErrOneTime means that the one-time prekey given does not fit the ID in the
// initial message: one without the other, or an ID of 0, which stands for none.
var ErrOneTime = errors.New("pqxdh: one-time prekey does not match its ID")

// Bundle is the public half of what a device publishes for others to start
// sessions with it. Its signature was verified by whoever made it a Bundle.
type Bundle struct {
	IdentityDH     key.DHPublic // IK_B
	SignedPrekeyID uint32
	SignedPrekey   key.DHPublic // SPK_B
	LastResortID   uint32
	LastResort     key.KEMPublic
}

// OneTime is a pair of one-time prekeys under one ID, which is not 0.
type OneTime struct {
	ID  uint32
	DH  key.DHPublic // OPK_B
	KEM key.KEMPublic
}

// Secret is what both sides agreed on. It feeds one ratchet and is not kept.
type Secret struct {
	key.Redacted
	root, initiatorHeader, responderHeader [key.Size]byte
}

// Keys returns the three keys that a Double Ratchet with header encryption
// starts from: SK, shared_hka and shared_nhkb of its specification (section
// 4.6). They are for node/crypto/ratchet.
func (s Secret) Keys() (root, initiatorHeader, responderHeader [key.Size]byte) {
	return s.root, s.initiatorHeader, s.responderHeader
}

// Initiate agrees on a secret with the owner of the bundle. ot is the one-time
// pair that the directory gave out with it, or nil if there was none left; then
// the last-resort KEM key serves. ad is bound into the secret. Initiate returns
// key.ErrLowOrder for a bundle of low-order points.
func Initiate(self key.DH, b Bundle, ot *OneTime, ad []byte) (Secret, Initial, error) {
	ephemeral := key.NewDH()
	in := Initial{
		IdentityDH:     self.Public(),
		Ephemeral:      ephemeral.Public(),
		SignedPrekeyID: b.SignedPrekeyID,
	}
	kem, oneTime := b.LastResort, key.DHPublic{}
	if ot != nil {
		if ot.ID == 0 {
			return Secret{}, Initial{}, ErrOneTime
		}
		in.OneTimeID, kem, oneTime = ot.ID, ot.KEM, ot.DH
	} else {
		in.LastResortID = b.LastResortID
	}
	shared, ciphertext, err := kem.Encapsulate()
	if err != nil {
		return Secret{}, Initial{}, fmt.Errorf("pqxdh: encapsulate: %w", err)
	}
	copy(in.Ciphertext[:], ciphertext)

	agreements := []agreement{
		{self, b.SignedPrekey},
		{ephemeral, b.IdentityDH},
		{ephemeral, b.SignedPrekey},
	}
	if ot != nil {
		agreements = append(agreements, agreement{ephemeral, oneTime})
	}
	secret, err := derive(agreements, shared, transcript{
		initial: in, identity: b.IdentityDH, signedPrekey: b.SignedPrekey, oneTime: oneTime, kem: kem, ad: ad,
	})
	if err != nil {
		return Secret{}, Initial{}, err
	}
	return secret, in, nil
}

// Respond agrees on the secret that the sender of in has. self is the identity
// key, signedPrekey and kem are the keys that in names: kem is the one-time
// pair's if in.OneTimeID is not 0, else the last resort; oneTime is given in
// the first case only. The caller forgets a one-time pair once the first
// message has opened: an agreement alone proves nothing about the sender.
func Respond(self, signedPrekey key.DH, kem key.KEM, oneTime *key.DH, in Initial, ad []byte) (Secret, error) {
	if (oneTime != nil) != (in.OneTimeID != 0) {
		return Secret{}, ErrOneTime
	}
	shared, err := kem.Decapsulate(in.Ciphertext[:])
	if err != nil {
		return Secret{}, fmt.Errorf("pqxdh: decapsulate: %w", err)
	}
	agreements := []agreement{
		{signedPrekey, in.IdentityDH},
		{self, in.Ephemeral},
		{signedPrekey, in.Ephemeral},
	}
	oneTimePublic := key.DHPublic{}
	if oneTime != nil {
		agreements = append(agreements, agreement{*oneTime, in.Ephemeral})
		oneTimePublic = oneTime.Public()
	}
	return derive(agreements, shared, transcript{
		initial: in, identity: self.Public(), signedPrekey: signedPrekey.Public(),
		oneTime: oneTimePublic, kem: kem.Public(), ad: ad,
	})
}

// agreement is one Diffie-Hellman of the protocol, still to be computed.
type agreement struct {
	own  key.DH
	peer key.DHPublic
}

// derive computes DH1 to DH4 in the order given and expands them with the KEM's
// secret and the transcript.
func derive(agreements []agreement, kemShared [key.Size]byte, t transcript) (Secret, error) {
	// F: 32 bytes 0xff, so that the input starts as no X25519 key does
	// (section 2.2).
	material := bytes.Repeat([]byte{0xff}, key.Size)
	for i, a := range agreements {
		shared, err := a.own.Shared(a.peer)
		if err != nil {
			return Secret{}, fmt.Errorf("pqxdh: DH%d: %w", i+1, err)
		}
		material = append(material, shared[:]...)
	}
	material = append(material, kemShared[:]...)

	digest, err := t.hash()
	if err != nil {
		return Secret{}, err
	}
	okm, err := hkdf.Key(sha256.New, material, make([]byte, sha256.Size), info+string(digest), secretSize)
	if err != nil {
		return Secret{}, fmt.Errorf("pqxdh: derive: %w", err)
	}
	var s Secret
	for _, part := range [][]byte{s.root[:], s.initiatorHeader[:], s.responderHeader[:]} {
		okm = okm[copy(part, okm):]
	}
	return s, nil
}

// transcript is what both sides must see alike; see the package comment. All
// of its parts but ad have a fixed length.
type transcript struct {
	initial      Initial
	identity     key.DHPublic
	signedPrekey key.DHPublic
	oneTime      key.DHPublic // zero: none
	kem          key.KEMPublic
	ad           []byte
}

func (t transcript) hash() ([]byte, error) {
	initial, err := t.initial.MarshalBinary()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	for _, part := range [][]byte{
		initial, t.identity.Bytes(), t.signedPrekey.Bytes(), t.oneTime.Bytes(), t.kem.Bytes(),
		binary.BigEndian.AppendUint64(nil, uint64(len(t.ad))), t.ad,
	} {
		h.Write(part)
	}
	return h.Sum(nil), nil
}
