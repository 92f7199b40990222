package sbox_test

import (
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/fips46"
	"github.com/tryst-chat/tryst/node/crypto/tdes/internal/sbox"
)

func circuits(t *testing.T) [fips46.Boxes]sbox.Circuit {
	t.Helper()
	all, err := sbox.Circuits()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every circuit gives what the table of FIPS 46-3 says for each of the 64
// inputs.
func TestCircuitsComputeTheTables(t *testing.T) {
	gates := 0
	for box, c := range circuits(t) {
		if !c.Computes(box) {
			t.Errorf("S%d: not what the circuit computes", box+1)
		}
		values := c.Signals()
		for input := range 1 << sbox.In {
			var got uint64
			for j, complemented := range sbox.Complemented(box) {
				bit := values[c.Outputs[j]] >> input & 1
				if complemented {
					bit ^= 1
				}
				got = got<<1 | bit
			}
			if want := fips46.S(box, input); got != want {
				t.Errorf("S%d(%d) = %d, want %d", box+1, input, got, want)
			}
		}
		t.Logf("S%d: %d gates", box+1, len(c.Gates))
		gates += len(c.Gates)
	}
	t.Logf("%d gates in all", gates)
}

func TestTextRoundTrip(t *testing.T) {
	for box, c := range circuits(t) {
		again, err := sbox.Parse(c.String())
		if err != nil || again.String() != c.String() {
			t.Errorf("S%d changes in writing and reading: %v", box+1, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := circuits(t)[0].String()
	for name, text := range map[string]string{
		"nothing":         "",
		"unknown signal":  "t1 = x1 & x7\n" + good,
		"unknown gate":    strings.Replace(good, "^", "+", 1),
		"a fifth output":  good + "y5 = x1\n",
		"a lost output":   good[:strings.LastIndex(good, "y4")],
		"a loop":          "t1 = t1 & x1\n" + good,
		"not an equation": "t1\n" + good,
	} {
		if _, err := sbox.Parse(text); err == nil {
			t.Errorf("%s: parsed", name)
		}
	}
}

// A circuit with one gate changed is told from the right one.
func TestComputesNoticesEveryGate(t *testing.T) {
	for box, c := range circuits(t) {
		for i, g := range c.Gates {
			wrong := sbox.Circuit{Gates: append([]sbox.Gate(nil), c.Gates...), Outputs: c.Outputs}
			wrong.Gates[i] = sbox.Gate{Op: sbox.And, A: g.A, B: g.A}
			if wrong.Computes(box) {
				t.Errorf("S%d: gate %d may be left out", box+1, i+1)
			}
		}
	}
}
