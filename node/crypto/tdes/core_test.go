package tdes

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

func (c core) String() string { return [...]string{generic: "generic", avx2: "avx2"}[c] }

// onCores runs a test on each core, and skips it on one that this machine does
// not have.
func onCores(t *testing.T, test func(t *testing.T, c core)) {
	for _, c := range []core{generic, avx2} {
		t.Run(c.String(), func(t *testing.T) {
			if c == avx2 && fastest != avx2 {
				t.Skip("no AVX2 in this processor or build")
			}
			test(t, c)
		})
	}
}

// randomCase is a key and an initial counter that depend on seed alone.
func randomCase(seed uint64) (key [KeySize]byte, counter uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	return key, r.Uint64() &^ (1<<CounterZeroBits - 1)
}

// oracle is src XOR the keystream as crypto/des and crypto/cipher have it.
func oracle(key [KeySize]byte, counter uint64, src []byte) []byte {
	block, err := des.NewTripleDESCipher(key[:])
	if err != nil {
		panic(err)
	}
	dst := make([]byte, len(src))
	cipher.NewCTR(block, binary.BigEndian.AppendUint64(nil, counter)).XORKeyStream(dst, src)
	return dst
}

// Every length up to more than three batches, from and to any offset.
func TestCoresMatchCryptoDESAtEveryLength(t *testing.T) {
	onCores(t, func(t *testing.T, c core) {
		key, counter := randomCase(1)
		r := rand.New(rand.NewPCG(2, 0))
		src := make([]byte, 3*maxBatch+64)
		for i := range src {
			src[i] = byte(r.Uint32())
		}
		keyStream := oracle(key, counter, make([]byte, len(src)))
		for n := range 3*maxBatch + 32 {
			from, to := r.IntN(32), r.IntN(32)
			dst := bytes.Repeat([]byte{0xee}, len(src)+32)
			before, after := slices.Clone(dst[:to]), slices.Clone(dst[to+n:])
			c.xor(dst[to:], src[from:from+n], &key, counter)
			want := make([]byte, n)
			subtle.XORBytes(want, src[from:from+n], keyStream)
			if !bytes.Equal(dst[to:to+n], want) {
				t.Fatalf("length %d from offset %d to %d: differs from crypto/des", n, from, to)
			}
			if !bytes.Equal(dst[:to], before) || !bytes.Equal(dst[to+n:], after) {
				t.Fatalf("length %d: wrote elsewhere", n)
			}
		}
	})
}

// Many keys and counters, a batch each and the longest message at times.
func TestCoresMatchCryptoDESForManyKeys(t *testing.T) {
	onCores(t, func(t *testing.T, c core) {
		for seed := range uint64(100) {
			key, counter := randomCase(seed)
			n := maxBatch
			if seed%50 == 0 {
				n = MaxLen
			}
			got := make([]byte, n)
			c.xor(got, got, &key, counter)
			if want := oracle(key, counter, make([]byte, n)); !bytes.Equal(got, want) {
				t.Fatalf("key %x, counter %x: differs from crypto/des", key, counter)
			}
		}
	})
}

// Both cores give the same keystream.
func TestCoresAreEqual(t *testing.T) {
	if fastest != avx2 {
		t.Skip("no AVX2 in this processor or build")
	}
	for seed := range uint64(8) {
		key, counter := randomCase(1000 + seed)
		a, b := make([]byte, MaxLen), make([]byte, MaxLen)
		generic.xor(a, a, &key, counter)
		avx2.xor(b, b, &key, counter)
		if !bytes.Equal(a, b) {
			t.Fatalf("key %x, counter %x: the cores differ", key, counter)
		}
	}
}

// encrypt is one block, which a core makes in a batch like any other.
func (c core) encrypt(key *[KeySize]byte, plain uint64) uint64 {
	var (
		keys   schedule
		blocks planes
		out    [maxBatch]byte
	)
	keys.expand(key)
	blocks.set(plain)
	number := int(plain % (1 << numberBits))
	inBatch := number % (c.batch() / BlockSize)
	blocks.setNumber(number - inBatch)
	c.xorBatch(out[:], out[:], &blocks, &keys)
	return binary.BigEndian.Uint64(out[BlockSize*inBatch:])
}

// NIST's known answers reach every bit of plaintext and key, and every entry of
// the S-boxes.
func TestKnownAnswers(t *testing.T) {
	text, err := os.ReadFile("testdata/sp800-20.txt")
	if err != nil {
		t.Fatal(err)
	}
	onCores(t, func(t *testing.T, c core) {
		count := 0
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			var k, plain, want uint64
			if _, err := fmt.Sscanf(line, "%x %x %x", &k, &plain, &want); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			key := [KeySize]byte(bytes.Repeat(binary.BigEndian.AppendUint64(nil, k), 3))
			if got := c.encrypt(&key, plain); got != want {
				t.Errorf("key %x: encrypt(%x) = %x, want %x", k, plain, got, want)
			}
			count++
		}
		if count != 64+56+32+19 {
			t.Errorf("%d known answers", count)
		}
	})
}

func FuzzCores(f *testing.F) {
	f.Add([]byte("three different keys ..."), uint64(1)<<CounterZeroBits, []byte("attack at dawn"), uint8(3))
	f.Add(make([]byte, KeySize), ^uint64(0), make([]byte, maxBatch+1), uint8(0))
	f.Fuzz(func(t *testing.T, k []byte, counter uint64, src []byte, offset uint8) {
		var key [KeySize]byte
		copy(key[:], k)
		counter &^= 1<<CounterZeroBits - 1
		src = src[:min(len(src), MaxLen)]
		want := oracle(key, counter, src)
		for _, c := range []core{generic, fastest} {
			dst := make([]byte, int(offset)+len(src))[offset:]
			c.xor(dst, src, &key, counter)
			if !bytes.Equal(dst, want) {
				t.Errorf("%v differs from crypto/des", c)
			}
		}
	})
}

// Key set-up and blocks take no memory but the stack.
func TestAllocatesNothing(t *testing.T) {
	onCores(t, func(t *testing.T, c core) {
		key, counter := randomCase(3)
		buf := make([]byte, 3000)
		if n := testing.AllocsPerRun(10, func() { c.xor(buf, buf, &key, counter) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

// The stack may have to grow, and so move, at any call on the way to a core.
// Source and destination are on it.
func TestCoresOnGrowingStacks(t *testing.T) {
	onCores(t, func(t *testing.T, c core) {
		key, counter := randomCase(5)
		want := oracle(key, counter, make([]byte, maxBatch))
		var deeper func(depth int) bool
		deeper = func(depth int) bool {
			var frame [maxBatch]byte
			if depth > 0 {
				frame[0] = 1 // or the frame would be as good as none
				return deeper(depth-1) && frame[0] == 1
			}
			c.xor(frame[:], frame[:], &key, counter)
			return bytes.Equal(frame[:], want)
		}
		for depth := range 60 {
			done := make(chan bool)
			go func() { done <- deeper(depth) }()
			if !<-done {
				t.Errorf("%d calls deep: differs from crypto/des", depth)
			}
		}
	})
}
