package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"fmt"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
)

// BenchmarkSealOnCryptoDES is Seal as it is and, in the same run, with the standard
// library's 3DES in the place of package tdes; everything else is the same.
func BenchmarkSealOnCryptoDES(b *testing.B) {
	for _, size := range []int{128, 64 << 10} {
		k, plaintext := key.NewMessage(), make([]byte, size)
		b.Run(fmt.Sprintf("%d_bytes/tdes", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := Seal(k, Message, nil, nil, plaintext); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d_bytes/crypto-des", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := sealOnCryptoDES(k, [SaltSize]byte{1}, plaintext); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func sealOnCryptoDES(k key.Message, salt [SaltSize]byte, plaintext []byte) ([]byte, error) {
	ks, err := derive(k.Bytes(), Message, salt)
	if err != nil {
		return nil, err
	}
	inner, err := des.NewTripleDESCipher(ks.des[:])
	if err != nil {
		return nil, err
	}
	outer, err := aes.NewCipher(ks.aes[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, SaltSize+len(plaintext), Overhead+len(plaintext))
	copy(out, salt[:])
	cipher.NewCTR(inner, ks.desCounter[:]).XORKeyStream(out[SaltSize:], plaintext)
	cipher.NewCTR(outer, ks.aesCounter[:]).XORKeyStream(out[SaltSize:], out[SaltSize:])
	return ks.appendTag(out, Message, nil, nil, salt, out[SaltSize:]), nil
}

// The two seal alike: what is measured is the same work.
func TestSealOnCryptoDES(t *testing.T) {
	k, salt, plaintext := key.NewMessage(), [SaltSize]byte{7}, make([]byte, 1000)
	want, err := sealSalted(k, Message, salt, nil, nil, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sealOnCryptoDES(k, salt, plaintext)
	if err != nil || string(got) != string(want) {
		t.Errorf("another sealing, %v", err)
	}
}
