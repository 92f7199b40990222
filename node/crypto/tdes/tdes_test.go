package tdes_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/tdes"
)

// ede is triple DES written out, the oracle of these tests.
type ede struct{ k1, k2, k3 cipher.Block }

func newEDE(tb testing.TB, key []byte) ede {
	tb.Helper()
	var blocks [3]cipher.Block
	for i := range blocks {
		var err error
		if blocks[i], err = des.NewCipher(key[8*i : 8*i+8]); err != nil {
			tb.Fatal(err)
		}
	}
	return ede{blocks[0], blocks[1], blocks[2]}
}

func (c ede) encrypt(in uint64) uint64 {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], in)
	c.k1.Encrypt(b[:], b[:])
	c.k2.Decrypt(b[:], b[:])
	c.k3.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint64(b[:])
}

// keyStream is counter mode written out.
func (c ede) keyStream(counter uint64, n int) []byte {
	var out []byte
	for ; len(out) < n; counter++ {
		out = binary.BigEndian.AppendUint64(out, c.encrypt(counter))
	}
	return out[:n]
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// The worked example of SP 800-67 rev. 1, appendix B.1.
const exampleKey = "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123"

func TestOracleAgainstSP800_67(t *testing.T) {
	c := newEDE(t, unhex(t, exampleKey))
	for plain, want := range map[uint64]uint64{
		0x5468652071756663: 0xA826FD8CE53B855F,
		0x6B2062726F776E20: 0xCCE21C8112256FE6,
		0x666F78206A756D70: 0x68D5C05DD9B6B900,
	} {
		if got := c.encrypt(plain); got != want {
			t.Errorf("encrypt(%x) = %x, want %x", plain, got, want)
		}
	}
}

func TestMatchesOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := [tdes.KeySize]byte(rapid.SliceOfN(rapid.Byte(), tdes.KeySize, tdes.KeySize).Draw(t, "key"))
		if !tdes.Distinct(&key) {
			t.Skip("keys agree")
		}
		counter := rapid.Uint64().Draw(t, "counter") &^ (1<<tdes.CounterZeroBits - 1)
		src := rapid.SliceOfN(rapid.Byte(), 0, 3000).Draw(t, "src")

		var blocks [3]cipher.Block
		for i := range blocks {
			blocks[i], _ = des.NewCipher(key[8*i : 8*i+8])
		}
		want := ede{blocks[0], blocks[1], blocks[2]}.keyStream(counter, len(src))
		for i := range want {
			want[i] ^= src[i]
		}
		got := make([]byte, len(src))
		if err := tdes.XORKeyStream(got, src, &key, counterBytes(counter)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatal("differs from the oracle")
		}
		if err := tdes.XORKeyStream(got, got, &key, counterBytes(counter)); err != nil || !bytes.Equal(got, src) {
			t.Fatalf("in place it does not undo itself: %v", err)
		}
	})
}

func counterBytes(n uint64) (b [tdes.BlockSize]byte) {
	binary.BigEndian.PutUint64(b[:], n)
	return b
}

// The longest message from the highest counter neither wraps nor repeats.
func TestLongestFromHighestCounter(t *testing.T) {
	key := [tdes.KeySize]byte(unhex(t, exampleKey))
	const highest = ^uint64(0) &^ (1<<tdes.CounterZeroBits - 1)
	got := make([]byte, tdes.MaxLen)
	if err := tdes.XORKeyStream(got, got, &key, counterBytes(highest)); err != nil {
		t.Fatal(err)
	}
	if want := newEDE(t, key[:]).keyStream(highest, len(got)); !bytes.Equal(got, want) {
		t.Error("differs from the oracle")
	}
}

func TestRefuses(t *testing.T) {
	good := [tdes.KeySize]byte(unhex(t, exampleKey))
	with := func(dst, src int, parity byte) [tdes.KeySize]byte {
		k := good
		for i := range 8 {
			k[8*dst+i] = k[8*src+i] ^ parity
		}
		return k
	}
	for _, test := range []struct {
		name    string
		key     [tdes.KeySize]byte
		counter uint64
		length  int
		want    error
	}{
		{"good", good, 1 << 20, tdes.MaxLen, nil},
		{"empty", good, 0, 0, nil},
		{"K1 = K2", with(1, 0, 0), 0, 8, tdes.ErrKey},
		{"K2 = K3", with(2, 1, 0), 0, 8, tdes.ErrKey},
		{"K1 = K3", with(2, 0, 0), 0, 8, tdes.ErrKey},
		{"K1 = K2 but for parity", with(1, 0, 1), 0, 8, tdes.ErrKey},
		{"K1 = K2 but for a key bit of each byte", with(1, 0, 2), 0, 8, nil},
		{"counter bit 0", good, 1, 8, tdes.ErrCounter},
		{"counter bit 19", good, 1 << 19, 8, tdes.ErrCounter},
		{"too long", good, 0, tdes.MaxLen + 1, tdes.ErrTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			dst, src := make([]byte, test.length), make([]byte, test.length)
			err := tdes.XORKeyStream(dst, src, &test.key, counterBytes(test.counter))
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			if err != nil && !bytes.Equal(dst, src) {
				t.Error("dst changed on an error")
			}
		})
	}
}

// A destination that is too short is the caller's mistake, and is not written.
func TestShortDestinationPanics(t *testing.T) {
	key := [tdes.KeySize]byte(unhex(t, exampleKey))
	for _, n := range []int{1, 9, 512, 2048, 5000} {
		dst := make([]byte, n-1, n)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d bytes into %d: no panic", n, n-1)
				}
			}()
			_ = tdes.XORKeyStream(dst, make([]byte, n), &key, [tdes.BlockSize]byte{})
		}()
		if !bytes.Equal(dst, make([]byte, n-1)) {
			t.Errorf("%d bytes into %d: written", n, n-1)
		}
	}
}

// Two keys that differ in one key bit, whichever, are distinct; in a parity bit
// they are not.
func TestDistinctSeesEveryKeyBit(t *testing.T) {
	var base [tdes.KeySize]byte // K1 = K2
	for i := range 8 {
		base[16+i] = 0x54
	}
	for bit := range 64 {
		k := base
		k[bit/8] ^= 0x80 >> (bit % 8)
		if got, want := tdes.Distinct(&k), bit%8 != 7; got != want {
			t.Errorf("bit %d: Distinct = %v, want %v", bit, got, want)
		}
	}
}
