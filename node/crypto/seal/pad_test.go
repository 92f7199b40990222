package seal_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/seal"
)

func TestPaddedLen(t *testing.T) {
	for _, test := range []struct{ n, want int }{
		{0, 256}, {1, 256}, {255, 256}, {256, 512}, {511, 512}, {512, 768},
		{2047, 2048}, {2048, 2176}, {2175, 2176}, {2176, 2304},
		{9999, 10240}, {64<<10 - 1, 64 << 10}, {64 << 10, 66 << 10},
		{seal.MaxContent, 94 << 10},
	} {
		if got := seal.PaddedLen(test.n); got != test.want {
			t.Errorf("PaddedLen(%d) = %d, want %d", test.n, got, test.want)
		}
	}
}

// Padding never gets shorter, adds at most a bucket or an eighth, and fits.
func TestPaddedLenBounds(t *testing.T) {
	last := 0
	for n := range seal.MaxContent + 1 {
		got := seal.PaddedLen(n)
		if got < last || got <= n || got-n > max(seal.PadBucket, n/8+1) {
			t.Fatalf("PaddedLen(%d) = %d, after %d", n, got, last)
		}
		last = got
	}
	if last > seal.MaxPlaintext-1900 {
		t.Errorf("the longest padded content, %d, leaves no room for headers", last)
	}
	if seal.PaddedLen(seal.MaxContent+1) <= seal.MaxPlaintext-2000 {
		t.Error("MaxContent could be larger")
	}
}

// Above the buckets lengths are those of the paper, written down as it has them: with
// E = floor(log2 L) and S = floor(log2 E) + 1, the last E - S bits are zero.
func TestPaddedLenIsPadme(t *testing.T) {
	for n := seal.PadBucketsUpTo; n <= seal.MaxContent; n++ {
		length := n + 1 // with the mark
		exponent := math.Floor(math.Log2(float64(length)))
		significant := math.Floor(math.Log2(exponent)) + 1
		step := math.Pow(2, exponent-significant)
		want := int(math.Ceil(float64(length)/step) * step)
		if got := seal.PaddedLen(n); got != want {
			t.Fatalf("PaddedLen(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestPadRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0x80, 1, 0xff}), 0, 3000).Draw(t, "content")
		padded := seal.Pad(content)
		if len(padded) != seal.PaddedLen(len(content)) {
			t.Fatalf("%d bytes", len(padded))
		}
		got, err := seal.Unpad(padded)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%x comes back as %x, %v", content, got, err)
		}
	})
}

func TestUnpadRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":            nil,
		"zeros":            make([]byte, 256),
		"no mark":          append(make([]byte, 255), 1),
		"mark alone":       {0x80},
		"not a bucket":     seal.Pad(nil)[:255],
		"a bucket too far": append(seal.Pad(nil), make([]byte, 256)...),
		"dirty tail":       append(seal.Pad(nil)[:255], 1),
	} {
		if got, err := seal.Unpad(b); !errors.Is(err, seal.ErrPadding) || got != nil {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func FuzzUnpad(f *testing.F) {
	f.Add(seal.Pad(nil))
	f.Add(seal.Pad(bytes.Repeat([]byte{0x80, 0}, 1200)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if content, err := seal.Unpad(b); err == nil && !bytes.Equal(seal.Pad(content), b) {
			t.Errorf("two padded forms of %x", content)
		}
	})
}
