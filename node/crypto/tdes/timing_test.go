package tdes

import (
	"crypto/des"
	"flag"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var timings = flag.Int("timings", 0, "how many timings TestConstantTime takes of each class; 50000 is enough")

// leak is the |t| beyond which two classes differ, as dudect has it (Reparaz,
// Balasch, Verbauwhede, "Dude, is my code constant time?", 2017).
const leak = 10

// TestConstantTime times the cores for one fixed key and counter and for random
// ones, and asks Welch's t-test whether the two differ. That the test can fail
// is shown by a control which leaks. crypto/des is timed for comparison: a t
// below leak does not mean that its tables leak nothing, only that this message
// does not show it.
func TestConstantTime(t *testing.T) {
	if *timings == 0 {
		t.Skip("takes a quiet machine: type go test -run ConstantTime -v -timings 50000")
	}
	var buf [128]byte
	onCores(t, func(t *testing.T, c core) {
		score := tTest(*timings, func(key *[KeySize]byte, counter uint64) { c.xor(buf[:], buf[:], key, counter) })
		t.Logf("t = %.1f", score)
		if score > leak {
			t.Errorf("t = %.1f: the time depends on the key or the counter", score)
		}
	})
	t.Run("control", func(t *testing.T) {
		score := tTest(*timings, func(key *[KeySize]byte, counter uint64) {
			fastest.xor(buf[:], buf[:], key, counter)
			leaky(key[0])
		})
		t.Logf("t = %.1f", score)
		if score <= leak {
			t.Errorf("t = %.1f: the test does not see a leak that is there", score)
		}
	})
	t.Run("crypto-des", func(t *testing.T) {
		score := tTest(*timings, func(key *[KeySize]byte, counter uint64) {
			block, err := des.NewTripleDESCipher(key[:])
			if err != nil {
				t.Fatal(err)
			}
			for i := range buf {
				if i%BlockSize == 0 {
					block.Encrypt(buf[i:], buf[i:])
				}
			}
		})
		t.Logf("t = %.1f", score)
	})
}

// sink keeps what leaky does from being left out.
var sink uint64

// leaky takes a branch for each bit that is one, and none for the fixed key. It
// is a few hundredths of the time of a batch.
func leaky(b byte) {
	for i := range 8 {
		if b>>i&1 != 0 {
			for range 4 {
				sink = sink*0x9e3779b97f4a7c15 + 1
			}
		}
	}
}

// tTest returns |t| of the times that run takes with a fixed key and counter,
// all zero, against random ones, in n timings of each: the largest over all
// times and over those below some percentiles, which leave interruptions out.
func tTest(n int, run func(key *[KeySize]byte, counter uint64)) float64 {
	r := rand.New(rand.NewPCG(4, 0))
	times, random := make([]float64, 2*n), make([]bool, 2*n)
	for i := range times {
		random[i] = r.IntN(2) == 1
		// Both classes draw the same numbers and write the same memory.
		key, counter := randomCase(r.Uint64())
		keep := byte(0)
		if random[i] {
			keep = 0xff
		}
		for j := range key {
			key[j] &= keep
		}
		counter &= -uint64(keep & 1)
		start := time.Now()
		run(&key, counter)
		times[i] = float64(time.Since(start))
	}
	times, random = times[n/5:], random[n/5:] // the first ones warm up

	sorted := slices.Sorted(slices.Values(times))
	var worst float64
	for _, percentile := range []float64{1, 0.99, 0.95, 0.9, 0.8, 0.5} {
		limit := sorted[int(float64(len(sorted)-1)*percentile)]
		worst = max(worst, welch(times, random, limit))
	}
	return worst
}

// welch returns |t| of the times up to limit, zero if that leaves one class
// out.
func welch(times []float64, random []bool, limit float64) float64 {
	var count, sum, squares [2]float64
	for i, x := range times {
		if x > limit {
			continue
		}
		class := 0
		if random[i] {
			class = 1
		}
		count[class]++
		sum[class] += x
		squares[class] += x * x
	}
	if min(count[0], count[1]) < 2 {
		return 0
	}
	var mean, variance [2]float64
	for c := range count {
		mean[c] = sum[c] / count[c]
		variance[c] = squares[c]/count[c] - mean[c]*mean[c]
	}
	// A clock of whole nanoseconds can give times without any variance.
	const rounding = 1.0 / 12
	return math.Abs(mean[0]-mean[1]) / math.Sqrt((variance[0]+rounding)/count[0]+(variance[1]+rounding)/count[1])
}
