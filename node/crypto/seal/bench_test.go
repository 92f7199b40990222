package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// aeads are what the seal is measured against. Each message has a key of its own, as
// with the seal, so that setting a cipher up counts.
var aeads = []struct {
	name string
	open func(secret []byte) (cipher.AEAD, error)
}{
	{"AES-256-GCM", func(secret []byte) (cipher.AEAD, error) {
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	}},
	{"ChaCha20-Poly1305", chacha20poly1305.New},
}

// BenchmarkSeal and BenchmarkOpen are the seal, and beside it what others seal with, at
// the lengths that messages and chunks have.
func BenchmarkSeal(b *testing.B) {
	overSizes(b, func(b *testing.B, plaintext []byte) {
		b.Run("tryst", func(b *testing.B) {
			k := key.NewMessage()
			measured(b, len(plaintext), func() error {
				_, err := seal.Seal(k, seal.Message, nil, nil, plaintext)
				return err
			})
		})
		for _, other := range aeads {
			b.Run(other.name, func(b *testing.B) {
				secret, nonce := key.NewMessage().Bytes(), make([]byte, 12)
				measured(b, len(plaintext), func() error {
					a, err := other.open(secret)
					if err == nil {
						a.Seal(nil, nonce, plaintext, nil)
					}
					return err
				})
			})
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	overSizes(b, func(b *testing.B, plaintext []byte) {
		b.Run("tryst", func(b *testing.B) {
			k := key.NewMessage()
			sealed, err := seal.Seal(k, seal.Message, nil, nil, plaintext)
			if err != nil {
				b.Fatal(err)
			}
			measured(b, len(plaintext), func() error {
				_, err := seal.Open(k, seal.Message, nil, nil, sealed)
				return err
			})
		})
		for _, other := range aeads {
			b.Run(other.name, func(b *testing.B) {
				secret, nonce := key.NewMessage().Bytes(), make([]byte, 12)
				a, err := other.open(secret)
				if err != nil {
					b.Fatal(err)
				}
				sealed := a.Seal(nil, nonce, plaintext, nil)
				measured(b, len(plaintext), func() error {
					a, err := other.open(secret)
					if err == nil {
						_, err = a.Open(nil, nonce, sealed, nil)
					}
					return err
				})
			})
		}
	})
}

func overSizes(b *testing.B, bench func(*testing.B, []byte)) {
	for _, n := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, seal.MaxPlaintext} {
		b.Run(fmt.Sprintf("%d bytes", n), func(b *testing.B) { bench(b, make([]byte, n)) })
	}
}

func measured(b *testing.B, n int, do func() error) {
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenForged is what a message costs that does not open.
func BenchmarkOpenForged(b *testing.B) {
	k, forged := key.NewMessage(), make([]byte, 40+seal.Overhead)
	for b.Loop() {
		if _, err := seal.Open(k, seal.Header, nil, nil, forged); err == nil {
			b.Fatal("opened")
		}
	}
}

func BenchmarkSealChunk(b *testing.B) {
	s, chunk := seal.NewStream(key.NewFile(), nil), make([]byte, seal.ChunkSize)
	measured(b, seal.ChunkSize, func() error {
		_, err := s.SealChunk(0, false, chunk)
		return err
	})
}
