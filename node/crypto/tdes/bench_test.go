package tdes

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// sealing is a way to encrypt a message: it sets dst to src encrypted, with a
// tag behind if it has one, by fresh keys as node/crypto/seal uses them, so
// that key set-up counts.
type sealing struct {
	name string
	run  func(dst, src []byte)
}

var benchKey, benchCounter = randomCase(7)

func ofCore(name string, c core) sealing {
	return sealing{name, func(dst, src []byte) { c.xor(dst, src, &benchKey, benchCounter) }}
}

func cryptoDES(dst, src []byte) {
	block, err := des.NewTripleDESCipher(benchKey[:])
	if err != nil {
		panic(err)
	}
	cipher.NewCTR(block, make([]byte, BlockSize)).XORKeyStream(dst, src)
}

func aesGCM(dst, src []byte) {
	var key [32]byte
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	gcm.Seal(dst[:0], make([]byte, gcm.NonceSize()), src, nil)
}

func chaCha(dst, src []byte) {
	aead, err := chacha20poly1305.New(make([]byte, chacha20poly1305.KeySize))
	if err != nil {
		panic(err)
	}
	aead.Seal(dst[:0], make([]byte, aead.NonceSize()), src, nil)
}

func cores() []sealing {
	all := []sealing{ofCore("chosen", fastest), ofCore("generic", generic)}
	if fastest == avx2 {
		all = append(all, ofCore("avx2", avx2))
	}
	return all
}

func bench(b *testing.B, s sealing, size int) {
	b.Run(fmt.Sprintf("%s/%d", s.name, size), func(b *testing.B) {
		src, dst := make([]byte, size), make([]byte, size+64)
		b.SetBytes(int64(size))
		for b.Loop() {
			for i := 0; i < size; i += MaxLen { // a key encrypts no more
				n := min(size-i, MaxLen)
				s.run(dst[i:i+n], src[i:i+n])
			}
		}
	})
}

// BenchmarkThroughput compares ciphers over message sizes.
func BenchmarkThroughput(b *testing.B) {
	others := []sealing{{"crypto-des", cryptoDES}, {"aes-256-gcm", aesGCM}, {"chacha20-poly1305", chaCha}}
	for _, s := range append(cores()[1:], others...) {
		for size := 64; size <= 1<<20; size *= 4 {
			bench(b, s, size)
		}
	}
}

// BenchmarkSizes is the curve of short messages, on each core and on the
// chosen one.
func BenchmarkSizes(b *testing.B) {
	for _, size := range []int{1, 8, 64, 128, 256, 512, 520, 1024, 2048, 2056, 4096, 8192} {
		for _, s := range cores() {
			bench(b, s, size)
		}
	}
}

// BenchmarkKeySetUp is the key schedule alone.
func BenchmarkKeySetUp(b *testing.B) {
	var s schedule
	for b.Loop() {
		s.expand(&benchKey)
	}
}

// BenchmarkRatio prints how many times as fast as crypto/des in counter mode
// the cores are on long messages. It goes from one to the next and keeps the
// shortest time of each, so that a busy machine changes the ratios little.
func BenchmarkRatio(b *testing.B) {
	buf := make([]byte, 64<<10)
	all := append(cores()[1:], sealing{"crypto-des", cryptoDES})
	best := make([]time.Duration, len(all))
	for b.Loop() {
		for i, s := range all {
			start := time.Now()
			s.run(buf, buf)
			if d := time.Since(start); best[i] == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	base := best[len(all)-1]
	for i, s := range all {
		b.ReportMetric(float64(len(buf))/1e6/best[i].Seconds(), s.name+"-MB/s")
		b.ReportMetric(float64(base)/float64(best[i]), s.name+"-ratio")
	}
}
