package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/tdes"
)

// okmOf returns okmSize bytes whose DES keys are the three given bytes, eight
// times each, and whose rest is 0xff.
func okmOf(k1, k2, k3 byte) []byte {
	okm := bytes.Repeat([]byte{0xff}, okmSize)
	for i := range 8 {
		okm[i], okm[8+i], okm[16+i] = k1, k2, k3
	}
	return okm
}

// A derivation in which DES keys agree is done again with the next retry byte.
func TestRetriesUntilDESKeysDiffer(t *testing.T) {
	for _, test := range []struct {
		name  string
		okms  [][]byte
		retry int
	}{
		{"distinct at once", [][]byte{okmOf(2, 4, 6)}, 0},
		{"K1 = K2", [][]byte{okmOf(2, 2, 6), okmOf(2, 4, 6)}, 1},
		{"K2 = K3, parity apart", [][]byte{okmOf(2, 4, 5), okmOf(2, 4, 6)}, 1},
		{"K1 = K3, then all", [][]byte{okmOf(2, 4, 2), okmOf(8, 8, 8), okmOf(2, 4, 6)}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			k, err := firstUsable(func(retry byte) ([]byte, error) {
				if int(retry) != calls {
					t.Errorf("call %d has retry %d", calls, retry)
				}
				calls++
				return bytes.Clone(test.okms[retry]), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if calls != test.retry+1 || !bytes.Equal(k.des[:], test.okms[test.retry][:tdes.KeySize]) {
				t.Errorf("%d calls, keys %x", calls, k.des)
			}
		})
	}
	if _, err := firstUsable(func(byte) ([]byte, error) { return okmOf(2, 2, 2), nil }); !errors.Is(err, errKeys) {
		t.Errorf("keys that always agree: error %v", err)
	}
	broken := errors.New("broken")
	if _, err := firstUsable(func(byte) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the derivation", err)
	}
}

func TestInfo(t *testing.T) {
	const want = "tryst seal\x01\x02\x03salt salt salt s"
	if got := info(Header, 3, [SaltSize]byte([]byte("salt salt salt s"))); got != want {
		t.Errorf("info %q, want %q", got, want)
	}
	expand := expander(make([]byte, 32), Header, [SaltSize]byte{})
	first, errFirst := expand(0)
	second, errSecond := expand(1)
	if errFirst != nil || errSecond != nil || len(first) != okmSize || bytes.Equal(first, second) {
		t.Errorf("a retry gives the same keys, %v, %v", errFirst, errSecond)
	}
}

// Each role, salt and key gives keys that have nothing in common.
func TestDerivationsAreSeparate(t *testing.T) {
	seen := map[[macKeySize]byte]bool{}
	for _, secret := range [][]byte{make([]byte, 32), bytes.Repeat([]byte{1}, 32)} {
		for role := Message; role <= Sync; role++ {
			for _, salt := range [][SaltSize]byte{{}, {1}, {15: 1}} {
				k, err := derive(secret, role, salt)
				if err != nil {
					t.Fatal(err)
				}
				if seen[k.mac] {
					t.Errorf("role %d, salt %x: keys seen before", role, salt)
				}
				seen[k.mac] = true
			}
		}
	}
}

func TestCounterHasLowBitsZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		okm := rapid.SliceOfN(rapid.Byte(), okmSize, okmSize).Draw(t, "okm")
		want := binary.BigEndian.Uint64(okm[tdes.KeySize:]) >> 20 << 20
		if got := binary.BigEndian.Uint64(split(okm).desCounter[:]); got != want {
			t.Fatalf("counter %016x, want %016x", got, want)
		}
	})
	k := split(bytes.Repeat([]byte{0xff}, okmSize))
	if got := binary.BigEndian.Uint64(k.desCounter[:]); got != 0xfffffffffff00000 {
		t.Errorf("counter %016x", got)
	}
}

// The parts come from the derivation in the order that is documented.
func TestSplitOrder(t *testing.T) {
	okm := make([]byte, okmSize)
	for i := range okm {
		okm[i] = byte(i)
	}
	k := split(okm)
	for i, part := range [][]byte{k.des[:], k.desCounter[:5], k.aes[:], k.aesCounter[:], k.mac[:]} {
		if want := []byte{0, 24, 32, 64, 80}[i]; part[0] != want {
			t.Errorf("part %d begins with byte %d, want %d", i, part[0], want)
		}
	}
}
