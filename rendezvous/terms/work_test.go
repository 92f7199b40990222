package terms

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	device  = "the device's peer ID"
	account = "alice42"
)

var noon = time.Unix(1_800_000_000, 0)

func key(b byte) [KeySize]byte { return [KeySize]byte{b} }

// solve does the work in one go.
func solve(t testing.TB, p Puzzle, bits int) []byte {
	t.Helper()
	s, err := p.Solver(bits)
	if err != nil {
		t.Fatal(err)
	}
	for !s.Try(1 << 12) {
	}
	return s.Proof()
}

// The form of challenge and proof is what other versions of the program know. The
// values are of a few lines of Python after package terms's words.
func TestWorkVectors(t *testing.T) {
	challenge := NewMint(key(7)).Challenge([]byte(device), noon)
	proof := solve(t, NewPuzzle(challenge, []byte(device), account), 12)
	for what, c := range map[string]struct{ got, want string }{
		"challenge": {hex.EncodeToString(challenge), "000001a3185c50003a29477062aeb497e17955f91211a4b7"},
		"proof": {hex.EncodeToString(proof), "0000000000000371000000000000015f00000000000000b8000000000000007d" +
			"000000000000033400000000000000b2000000000000008a0000000000000012" +
			"000000000000000b000000000000017c00000000000000d80000000000000073" +
			"000000000000000a00000000000001d100000000000000c8000000000000010c"},
	} {
		if c.got != c.want {
			t.Errorf("%s %s, want %s", what, c.got, c.want)
		}
	}
}

// A proof is good for its device, account and challenge alone, and as long as that
// stands; any server takes another's.
func TestCheck(t *testing.T) {
	const bits = 10
	mint := NewMint(key(1))
	challenge := mint.Challenge([]byte(device), noon)
	proof := solve(t, NewPuzzle(challenge, []byte(device), account), bits)
	foreign := NewMint(key(2)).Challenge([]byte(device), noon)
	for what, c := range map[string]struct {
		challenge, proof []byte
		device, account  string
		bits             int
		after            time.Duration
		want             error
	}{
		"as it should be":        {challenge, proof, device, account, bits, 0, nil},
		"for less":               {challenge, proof, device, account, bits - 1, 0, nil},
		"at the last moment":     {challenge, proof, device, account, bits, ChallengeLifetime, nil},
		"by a clock that lags":   {challenge, proof, device, account, bits, -skew, nil},
		"too late":               {challenge, proof, device, account, bits, ChallengeLifetime + time.Millisecond, ErrStale},
		"from the future":        {challenge, proof, device, account, bits, -skew - time.Millisecond, ErrStale},
		"by another device":      {challenge, proof, "another", account, bits, 0, ErrStale},
		"of another cluster":     {foreign, solve(t, NewPuzzle(foreign, []byte(device), account), bits), device, account, bits, 0, ErrStale},
		"for another account":    {challenge, proof, device, "alice43", bits, 0, ErrUndone},
		"for more":               {challenge, proof, device, account, bits + 6, 0, ErrUndone},
		"nothing":                {nil, nil, device, account, bits, 0, ErrUndone},
		"no challenge":           {nil, proof, device, account, bits, 0, ErrStale},
		"no proof":               {challenge, nil, device, account, bits, 0, ErrUndone},
		"half a proof":           {challenge, proof[:ProofSize/2], device, account, bits, 0, ErrUndone},
		"one part for all":       {challenge, bytes.Repeat(proof[:nonceSize], Parts), device, account, bits, 0, ErrUndone},
		"of no bits":             {challenge, proof, device, account, 0, 0, ErrUndone},
		"of more than there are": {challenge, proof, device, account, MaxBits + 1, 0, ErrUndone},
	} {
		// Both servers' mints are made of the same key.
		err := NewMint(key(1)).Check(c.challenge, c.proof, []byte(c.device), c.account, c.bits, noon.Add(c.after))
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}

// Whatever byte of it is changed, a challenge is none, and a proof (but one time in
// many) neither.
func TestCheckTampered(t *testing.T) {
	const bits = MinBits + 8
	mint := NewMint(key(1))
	challenge := mint.Challenge([]byte(device), noon)
	proof := solve(t, NewPuzzle(challenge, []byte(device), account), bits)
	for i := range challenge {
		changed := slices.Clone(challenge)
		changed[i] ^= 1
		if err := mint.Check(changed, proof, []byte(device), account, bits, noon); !errors.Is(err, ErrStale) {
			t.Errorf("byte %d of the challenge: %v", i, err)
		}
	}
	for i := range proof {
		changed := slices.Clone(proof)
		changed[i] ^= 0x80
		if err := mint.Check(challenge, changed, []byte(device), account, bits, noon); !errors.Is(err, ErrUndone) {
			t.Errorf("byte %d of the proof: %v", i, err)
		}
	}
}

// However the work is cut, the same proof comes of it, and it is known how far it is.
func TestSolverGoesOn(t *testing.T) {
	p := NewPuzzle([]byte("challenge"), []byte(device), account)
	want := solve(t, p, 12)
	for _, step := range []int{1, 7, 1000} {
		s, err := p.Solver(12)
		if err != nil {
			t.Fatal(err)
		}
		for before := 0; !s.Try(step); {
			if s.Done() < before || s.Done() >= Parts {
				t.Fatalf("%d parts are done after %d", s.Done(), before)
			}
			before = s.Done()
		}
		if !s.Try(step) || !bytes.Equal(s.Proof(), want) {
			t.Errorf("in steps of %d: %x", step, s.Proof())
		}
	}
}

func TestBounds(t *testing.T) {
	for bits, want := range map[int]bool{-1: false, 0: false, MinBits - 1: false, MinBits: true, MaxBits: true, MaxBits + 1: false} {
		_, err := NewPuzzle(nil, nil, "").Solver(bits)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrTerms) {
			t.Errorf("%d bits are solved: %v", bits, err)
		}
		if err := (Terms{Bits: bits}).Check(); (err == nil) != (want || bits == 0) {
			t.Errorf("%d bits are asked for: %v", bits, err)
		}
	}
	if !(Terms{}).Open() || (Terms{Invitation: true}).Open() || (Terms{Bits: MinBits}).Open() {
		t.Error("open is not what asks for nothing")
	}
}

func TestMintIsNotPrinted(t *testing.T) {
	m := NewMint([KeySize]byte([]byte("0123456789abcdef0123456789abcdef")))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, m); !strings.Contains(got, "[redacted]") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func FuzzCheck(f *testing.F) {
	const bits = MinBits
	mint := NewMint(key(1))
	challenge := mint.Challenge([]byte(device), noon)
	f.Add(challenge, solve(f, NewPuzzle(challenge, []byte(device), account), bits), device)
	f.Add([]byte{}, []byte{}, "")
	f.Fuzz(func(t *testing.T, given, proof []byte, by string) {
		err := mint.Check(given, proof, []byte(by), account, bits, noon)
		if err == nil && !(bytes.Equal(given, challenge) && by == device && NewPuzzle(given, []byte(by), account).Solved(proof, bits)) {
			t.Fatalf("%x and %x of %q are taken", given, proof, by)
		}
		if err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrUndone) {
			t.Fatal(err)
		}
	})
}

// What work costs who does it, on one core, and who checks it.
func BenchmarkSolve(b *testing.B) {
	for _, bits := range []int{16, 20, 22, 24} {
		b.Run(fmt.Sprintf("bits=%d", bits), func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				solve(b, NewPuzzle(fmt.Append(nil, n), []byte(device), account), bits)
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	s, err := NewPuzzle(nil, []byte(device), account).Solver(MaxBits)
	if err != nil {
		b.Fatal(err)
	}
	s.need = 65 // never
	for b.Loop() {
		s.Try(1)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mhash/s")
}

func BenchmarkCheck(b *testing.B) {
	mint := NewMint(key(1))
	challenge := mint.Challenge([]byte(device), noon)
	proof := solve(b, NewPuzzle(challenge, []byte(device), account), 12)
	for name, given := range map[string][]byte{"done": proof, "made up": make([]byte, ProofSize)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				mint.Check(challenge, given, []byte(device), account, 12, noon)
			}
		})
	}
}
