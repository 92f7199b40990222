package seal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/key"
)

var (
	// ErrOpen means that a sealed message was not made under this key, role,
	// associated data and header, or was changed. It never says which.
	ErrOpen = errors.New("seal: message does not open")
	// ErrTooLong means a plaintext longer than MaxPlaintext.
	ErrTooLong = errors.New("seal: plaintext too long")
	// ErrPadding means bytes that Pad did not make.
	ErrPadding = errors.New("seal: wrong padding")
	// ErrChunk means a chunk whose length does not fit its position.
	ErrChunk = errors.New("seal: wrong chunk length")
)

// Seal encrypts plaintext, at most MaxPlaintext bytes, and authenticates it
// with role, ad and header. The result is Overhead bytes longer; neither ad nor
// header is part of it. plaintext is not changed.
func Seal(k key.Message, role Role, ad, header, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, ErrTooLong
	}
	var salt [SaltSize]byte
	rand.Read(salt[:]) // never fails: crypto/rand ends the program instead
	return sealSalted(k, role, salt, ad, header, plaintext)
}

// sealSalted is Seal with a given salt.
func sealSalted(k key.Message, role Role, salt [SaltSize]byte, ad, header, plaintext []byte) ([]byte, error) {
	ks, err := derive(k.Bytes(), role, salt)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	out := make([]byte, SaltSize+len(plaintext), Overhead+len(plaintext))
	copy(out, salt[:])
	if err := ks.xor(out[SaltSize:], plaintext); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return ks.appendTag(out, role, ad, header, salt, out[SaltSize:]), nil
}

// Open undoes Seal. It checks the tag before it decrypts, returns ErrOpen for
// whatever does not fit, and then no plaintext.
func Open(k key.Message, role Role, ad, header, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || len(sealed) > MaxSealed {
		return nil, ErrOpen
	}
	salt := [SaltSize]byte(sealed)
	ks, err := derive(k.Bytes(), role, salt)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return ks.open(role, ad, header, salt, sealed[SaltSize:])
}

// open checks and decrypts ciphertext || tag, which is no shorter than a tag.
func (k *keys) open(role Role, ad, header []byte, salt [SaltSize]byte, sealed []byte) ([]byte, error) {
	ciphertext, tag := sealed[:len(sealed)-TagSize], sealed[len(sealed)-TagSize:]
	want := k.appendTag(make([]byte, 0, TagSize), role, ad, header, salt, ciphertext)
	if subtle.ConstantTimeCompare(tag, want) != 1 {
		return nil, ErrOpen
	}
	plaintext := make([]byte, len(ciphertext))
	if err := k.xor(plaintext, ciphertext); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return plaintext, nil
}

// appendTag appends the HMAC to dst. The three lengths make the input an
// injective encoding of its parts.
func (k *keys) appendTag(dst []byte, role Role, ad, header []byte, salt [SaltSize]byte, ciphertext []byte) []byte {
	prefix := make([]byte, 0, 2+3*8)
	prefix = append(prefix, Suite, byte(role))
	prefix = binary.BigEndian.AppendUint64(prefix, uint64(len(ad)))
	prefix = binary.BigEndian.AppendUint64(prefix, uint64(len(header)))
	prefix = binary.BigEndian.AppendUint64(prefix, uint64(len(ciphertext)))

	return k.hmac(dst, prefix, ad, header, salt[:], ciphertext)
}

// hmac appends HMAC-SHA-256 of the parts in a row to dst.
func (k *keys) hmac(dst []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, k.mac[:])
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(dst)
}
