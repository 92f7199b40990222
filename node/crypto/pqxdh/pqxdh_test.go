package pqxdh_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/key"
)

// responder is the private side of a bundle and of one one-time pair.
type responder struct {
	identity, signedPrekey, oneTimeDH key.DH
	lastResort, oneTimeKEM            key.KEM
}

func newResponder() responder {
	return responder{key.NewDH(), key.NewDH(), key.NewDH(), key.NewKEM(), key.NewKEM()}
}

func (r responder) bundle() pqxdh.Bundle {
	return pqxdh.Bundle{
		IdentityDH: r.identity.Public(), SignedPrekeyID: 7, SignedPrekey: r.signedPrekey.Public(),
		LastResortID: 8, LastResort: r.lastResort.Public(),
	}
}

func (r responder) oneTime() *pqxdh.OneTime {
	return &pqxdh.OneTime{ID: 9, DH: r.oneTimeDH.Public(), KEM: r.oneTimeKEM.Public()}
}

func (r responder) respond(in pqxdh.Initial, ad []byte) (pqxdh.Secret, error) {
	if in.OneTimeID != 0 {
		return pqxdh.Respond(r.identity, r.signedPrekey, r.oneTimeKEM, &r.oneTimeDH, in, ad)
	}
	return pqxdh.Respond(r.identity, r.signedPrekey, r.lastResort, nil, in, ad)
}

func same(a, b pqxdh.Secret) bool {
	a1, a2, a3 := a.Keys()
	b1, b2, b3 := b.Keys()
	return a1 == b1 && a2 == b2 && a3 == b3
}

func initiate(tb testing.TB, self key.DH, r responder, oneTime bool, ad []byte) (pqxdh.Secret, pqxdh.Initial) {
	tb.Helper()
	var ot *pqxdh.OneTime
	if oneTime {
		ot = r.oneTime()
	}
	secret, in, err := pqxdh.Initiate(self, r.bundle(), ot, ad)
	if err != nil {
		tb.Fatal(err)
	}
	return secret, in
}

func TestAgreement(t *testing.T) {
	for _, oneTime := range []bool{true, false} {
		t.Run(fmt.Sprintf("one-time %v", oneTime), func(t *testing.T) {
			alice, bob, ad := key.NewDH(), newResponder(), []byte("alice, bob")
			want, in := initiate(t, alice, bob, oneTime, ad)
			if in.IdentityDH != alice.Public() || in.SignedPrekeyID != 7 || (in.OneTimeID == 9) != oneTime || (in.LastResortID == 8) == oneTime {
				t.Errorf("initial message names %d, %d, %d", in.SignedPrekeyID, in.OneTimeID, in.LastResortID)
			}
			encoded, err := in.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			received, err := pqxdh.ParseInitial(encoded)
			if err != nil {
				t.Fatal(err)
			}
			got, err := bob.respond(received, ad)
			if err != nil || !same(got, want) {
				t.Fatalf("the two sides have different secrets: %v", err)
			}
			root, a, b := got.Keys()
			if root == a || a == b || root == b || root == [key.Size]byte{} {
				t.Error("the three keys are not three")
			}
			if again, _ := initiate(t, alice, bob, oneTime, ad); same(again, want) {
				t.Error("two agreements have one secret")
			}
		})
	}
}

// Whatever one side sees differently, the secrets differ.
func TestEverythingIsBound(t *testing.T) {
	for _, oneTime := range []bool{true, false} {
		alice, bob, ad := key.NewDH(), newResponder(), []byte("alice, bob")
		want, in := initiate(t, alice, bob, oneTime, ad)
		differ := func(what string, r responder, in pqxdh.Initial, ad []byte) {
			t.Helper()
			got, err := r.respond(in, ad)
			if err == nil && same(got, want) {
				t.Errorf("one-time %v, %s: the same secret", oneTime, what)
			}
		}
		for i := range ad {
			bad := bytes.Clone(ad)
			bad[i] ^= 1
			differ(fmt.Sprintf("ad byte %d", i), bob, in, bad)
		}
		differ("longer ad", bob, in, append(bytes.Clone(ad), 0))

		r := bob
		r.identity = key.NewDH()
		differ("identity key", r, in, ad)
		r = bob
		r.signedPrekey = key.NewDH()
		differ("signed prekey", r, in, ad)
		r = bob
		r.lastResort, r.oneTimeKEM = key.NewKEM(), key.NewKEM()
		differ("KEM key", r, in, ad)
		if oneTime {
			r = bob
			r.oneTimeDH = key.NewDH()
			differ("one-time prekey", r, in, ad)
		}

		encoded, err := in.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		step := 1
		if !oneTime {
			step = 41 // every kind of byte once more; an agreement costs 350 µs
		}
		for i := 0; i < len(encoded); i += step {
			bad := bytes.Clone(encoded)
			bad[i] ^= 0x40
			if in, err := pqxdh.ParseInitial(bad); err == nil {
				differ(fmt.Sprintf("initial byte %d", i), bob, in, ad)
			}
		}
	}
}

func TestLowOrderPointsAreRefused(t *testing.T) {
	alice, bob := key.NewDH(), newResponder()
	lowOrder, err := key.ParseDHPublic(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*pqxdh.Bundle, *pqxdh.OneTime){
		"identity":      func(b *pqxdh.Bundle, _ *pqxdh.OneTime) { b.IdentityDH = lowOrder },
		"signed prekey": func(b *pqxdh.Bundle, _ *pqxdh.OneTime) { b.SignedPrekey = lowOrder },
		"one-time":      func(_ *pqxdh.Bundle, ot *pqxdh.OneTime) { ot.DH = lowOrder },
		"zero":          func(b *pqxdh.Bundle, _ *pqxdh.OneTime) { b.SignedPrekey = key.DHPublic{} },
	} {
		b, ot := bob.bundle(), bob.oneTime()
		change(&b, ot)
		if _, _, err := pqxdh.Initiate(alice, b, ot, nil); !errors.Is(err, key.ErrLowOrder) {
			t.Errorf("initiate, %s: error %v, want ErrLowOrder", what, err)
		}
	}
	_, in := initiate(t, alice, bob, true, nil)
	for what, change := range map[string]func(*pqxdh.Initial){
		"identity":  func(in *pqxdh.Initial) { in.IdentityDH = lowOrder },
		"ephemeral": func(in *pqxdh.Initial) { in.Ephemeral = lowOrder },
	} {
		bad := in
		change(&bad)
		if _, err := bob.respond(bad, nil); !errors.Is(err, key.ErrLowOrder) {
			t.Errorf("respond, %s: error %v, want ErrLowOrder", what, err)
		}
	}
}

func TestOneTimeMustFitItsID(t *testing.T) {
	alice, bob := key.NewDH(), newResponder()
	ot := bob.oneTime()
	ot.ID = 0
	if _, _, err := pqxdh.Initiate(alice, bob.bundle(), ot, nil); !errors.Is(err, pqxdh.ErrOneTime) {
		t.Errorf("ID 0: error %v, want ErrOneTime", err)
	}
	_, with := initiate(t, alice, bob, true, nil)
	if _, err := pqxdh.Respond(bob.identity, bob.signedPrekey, bob.oneTimeKEM, nil, with, nil); !errors.Is(err, pqxdh.ErrOneTime) {
		t.Errorf("prekey missing: error %v, want ErrOneTime", err)
	}
	_, without := initiate(t, alice, bob, false, nil)
	if _, err := pqxdh.Respond(bob.identity, bob.signedPrekey, bob.lastResort, &bob.oneTimeDH, without, nil); !errors.Is(err, pqxdh.ErrOneTime) {
		t.Errorf("prekey too many: error %v, want ErrOneTime", err)
	}
}

func TestUnsetKeysErr(t *testing.T) {
	alice, bob := key.NewDH(), newResponder()
	_, in := initiate(t, alice, bob, false, nil)
	if _, _, err := pqxdh.Initiate(key.DH{}, bob.bundle(), nil, nil); !errors.Is(err, key.ErrUnset) {
		t.Errorf("no identity: %v", err)
	}
	if _, _, err := pqxdh.Initiate(alice, pqxdh.Bundle{}, nil, nil); !errors.Is(err, key.ErrUnset) {
		t.Errorf("no bundle: %v", err)
	}
	if _, err := pqxdh.Respond(key.DH{}, key.DH{}, key.KEM{}, nil, in, nil); !errors.Is(err, key.ErrUnset) {
		t.Errorf("no keys: %v", err)
	}
}

func TestParseInitialRefuses(t *testing.T) {
	_, in := initiate(t, key.NewDH(), newResponder(), true, nil)
	encoded, err := in.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for n := range encoded {
		if _, err := pqxdh.ParseInitial(encoded[:n]); !errors.Is(err, pqxdh.ErrInitial) {
			t.Fatalf("cut to %d: error %v, want ErrInitial", n, err)
		}
	}
	otherVersion := bytes.Clone(encoded)
	otherVersion[0] = 2
	bothIDs := bytes.Clone(encoded)
	bothIDs[1+64+8] = 1
	for what, b := range map[string][]byte{
		"longer": append(bytes.Clone(encoded), 0), "version": otherVersion, "both IDs": bothIDs,
	} {
		if _, err := pqxdh.ParseInitial(b); !errors.Is(err, pqxdh.ErrInitial) {
			t.Errorf("%s: error %v, want ErrInitial", what, err)
		}
	}
	in.LastResortID = 1
	if _, err := in.MarshalBinary(); !errors.Is(err, pqxdh.ErrInitial) {
		t.Errorf("encode both IDs: error %v, want ErrInitial", err)
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	s, _ := initiate(t, key.NewDH(), newResponder(), true, nil)
	if got := fmt.Sprintf("%v %+v %#v %x", s, s, &s, s); got != "(secret) (secret) (secret) (secret)" {
		t.Errorf("prints as %q", got)
	}
}

func FuzzParseInitial(f *testing.F) {
	for _, oneTime := range []bool{true, false} {
		_, in := initiate(f, key.NewDH(), newResponder(), oneTime, nil)
		b, err := in.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	bob := newResponder()
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := pqxdh.ParseInitial(b)
		if err != nil {
			return
		}
		if again, err := in.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x encodes to %x, %v", b, again, err)
		}
		if _, err := bob.respond(in, nil); err != nil && !errors.Is(err, key.ErrLowOrder) {
			t.Errorf("respond: %v", err)
		}
	})
}

// BenchmarkAgreement is each half of an agreement, with a one-time prekey (four
// Diffie-Hellman operations) and without (three).
func BenchmarkAgreement(b *testing.B) {
	alice, bob := key.NewDH(), newResponder()
	bundle := bob.bundle()
	for name, ot := range map[string]*pqxdh.OneTime{"one-time": bob.oneTime(), "last resort": nil} {
		b.Run("initiate, "+name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := pqxdh.Initiate(alice, bundle, ot, nil); err != nil {
					b.Fatal(err)
				}
			}
			reportMicroseconds(b)
		})
		b.Run("respond, "+name, func(b *testing.B) {
			_, in := initiate(b, alice, bob, ot != nil, nil)
			for b.Loop() {
				if _, err := bob.respond(in, nil); err != nil {
					b.Fatal(err)
				}
			}
			reportMicroseconds(b)
		})
	}
}

func reportMicroseconds(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/agreement")
}
