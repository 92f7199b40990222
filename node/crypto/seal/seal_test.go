package seal_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/crypto/tdes"
	"github.com/tryst-chat/tryst/node/key"
)

// parts are what the package comment says of one sealing, computed from it by
// other means: HKDF written out, each keystream on its own.
type parts struct {
	desStream, aesStream, mac []byte
	desCounter                [8]byte
}

func referenceParts(tb testing.TB, k key.Message, role seal.Role, salt []byte, n int) parts {
	tb.Helper()
	info := append([]byte("tryst seal"), 1, byte(role), 0)
	info = append(info, salt...)
	var okm, block []byte
	for i := byte(1); len(okm) < 112; i++ { // RFC 5869, section 2.3
		h := hmac.New(sha256.New, k.Bytes())
		h.Write(block)
		h.Write(info)
		h.Write([]byte{i})
		block = h.Sum(nil)
		okm = append(okm, block...)
	}
	p := parts{desStream: make([]byte, n), aesStream: make([]byte, n), mac: okm[80:112]}
	p.desCounter = [8]byte(okm[24:32])
	low := binary.BigEndian.Uint64(p.desCounter[:])
	binary.BigEndian.PutUint64(p.desCounter[:], low>>20<<20)
	if err := tdes.XORKeyStream(p.desStream, p.desStream, (*[24]byte)(okm[:24]), p.desCounter); err != nil {
		tb.Fatal(err)
	}
	aesBlock, err := aes.NewCipher(okm[32:64])
	if err != nil {
		tb.Fatal(err)
	}
	cipher.NewCTR(aesBlock, okm[64:80]).XORKeyStream(p.aesStream, p.aesStream)
	return p
}

// Every byte of the output is what the package comment says, and each of the
// two ciphers by itself would give another one.
func TestLayout(t *testing.T) {
	k, ad, header, plaintext := key.NewMessage(), []byte("ad"), []byte("header"), make([]byte, 1000)
	rand.Read(plaintext)
	sealed, err := seal.Seal(k, seal.Message, ad, header, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	salt, ciphertext, tag := sealed[:16], sealed[16:1016], sealed[1016:]
	p := referenceParts(t, k, seal.Message, salt, len(plaintext))

	both := make([]byte, len(plaintext))
	for i := range both {
		both[i] = plaintext[i] ^ p.desStream[i] ^ p.aesStream[i]
	}
	if !bytes.Equal(ciphertext, both) {
		t.Error("the ciphertext is not plaintext XOR 3DES XOR AES")
	}
	if bytes.Equal(p.desStream, p.aesStream) || isZero(p.desStream) || isZero(p.aesStream) {
		t.Error("a keystream does nothing")
	}
	mac := hmac.New(sha256.New, p.mac)
	fmt.Fprintf(mac, "\x01\x01%s%s%s", u64(len(ad)), u64(len(header)), u64(len(ciphertext)))
	fmt.Fprintf(mac, "%s%s%s%s", ad, header, salt, ciphertext)
	if !bytes.Equal(tag, mac.Sum(nil)) {
		t.Error("the tag is not the HMAC that is documented")
	}
}

func u64(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 300)
		role := seal.Role(rapid.IntRange(1, 7).Draw(t, "role"))
		ad, header, plaintext := b.Draw(t, "ad"), b.Draw(t, "header"), b.Draw(t, "plaintext")
		before := bytes.Clone(plaintext)
		k := key.NewMessage()
		sealed, err := seal.Seal(k, role, ad, header, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(plaintext, before) || len(sealed) != len(plaintext)+seal.Overhead {
			t.Fatal("the plaintext changed, or the length is wrong")
		}
		got, err := seal.Open(k, role, ad, header, sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("opened %x, %v", got, err)
		}
	})
}

func TestLongest(t *testing.T) {
	k := key.NewMessage()
	sealed, err := seal.Seal(k, seal.Message, nil, nil, make([]byte, seal.MaxPlaintext))
	if err != nil || len(sealed) != seal.MaxSealed {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	if got, err := seal.Open(k, seal.Message, nil, nil, sealed); err != nil || !isZero(got) {
		t.Fatal(err)
	}
	if _, err := seal.Seal(k, seal.Message, nil, nil, make([]byte, seal.MaxPlaintext+1)); !errors.Is(err, seal.ErrTooLong) {
		t.Errorf("error %v, want ErrTooLong", err)
	}
	if _, err := seal.Open(k, seal.Message, nil, nil, make([]byte, seal.MaxSealed+1)); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("error %v, want ErrOpen", err)
	}
}

// refuse checks that Open gives ErrOpen and nothing else.
func refuse(t *testing.T, what string, k key.Message, role seal.Role, ad, header, sealed []byte) {
	t.Helper()
	if got, err := seal.Open(k, role, ad, header, sealed); err != seal.ErrOpen || got != nil {
		t.Errorf("%s: opened %x, %v", what, got, err)
	}
}

func TestTampering(t *testing.T) {
	k, ad, header := key.NewMessage(), []byte("associated"), []byte("header")
	sealed, err := seal.Seal(k, seal.Message, ad, header, []byte("the plaintext"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(b []byte, i int) []byte {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		return c
	}
	for i := range sealed {
		refuse(t, fmt.Sprintf("byte %d flipped", i), k, seal.Message, ad, header, flipped(sealed, i))
		refuse(t, fmt.Sprintf("cut to %d", i), k, seal.Message, ad, header, sealed[:i])
	}
	for i := range ad {
		refuse(t, fmt.Sprintf("ad byte %d", i), k, seal.Message, flipped(ad, i), header, sealed)
	}
	for i := range header {
		refuse(t, fmt.Sprintf("header byte %d", i), k, seal.Message, ad, flipped(header, i), sealed)
	}
	for i := range k.Bytes() {
		wrong, err := key.ParseMessage(flipped(k.Bytes(), i))
		if err != nil {
			t.Fatal(err)
		}
		refuse(t, fmt.Sprintf("key byte %d", i), wrong, seal.Message, ad, header, sealed)
	}
	for role := seal.Role(0); role < 9; role++ {
		if role != seal.Message {
			refuse(t, fmt.Sprintf("role %d", role), k, role, ad, header, sealed)
		}
	}
	refuse(t, "longer", k, seal.Message, ad, header, append(bytes.Clone(sealed), 0))
	// The same bytes, with the border between the parts moved.
	refuse(t, "ad into header", k, seal.Message, ad[:9], append([]byte("d"), header...), sealed)
	refuse(t, "header into ad", k, seal.Message, append(bytes.Clone(ad), 'h'), header[1:], sealed)
}

// The same message sealed twice shares no keystream.
func TestFreshSalt(t *testing.T) {
	k, plaintext := key.NewMessage(), make([]byte, 64)
	a, errA := seal.Seal(k, seal.Message, nil, nil, plaintext)
	b, errB := seal.Seal(k, seal.Message, nil, nil, plaintext)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if bytes.Equal(a[:16], b[:16]) || bytes.Equal(a[16:80], b[16:80]) {
		t.Error("salt or keystream repeats")
	}
}
