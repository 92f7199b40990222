package pqxdh_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/key"
)

// hexBytes is how Wycheproof writes bytes.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vector is one test of any of the files used here.
type vector struct {
	ID      int `json:"tcId"`
	Comment string
	Flags   []string
	Result  string

	Public               hexBytes // X25519
	IKM, Salt, Info, OKM hexBytes // HKDF
	Size                 int
}

// vectors returns the tests of one of Wycheproof's files.
func vectors(t *testing.T, name string) (all []vector) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ TestGroups []struct{ Tests []vector } }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.TestGroups {
		all = append(all, g.Tests...)
	}
	if len(all) == 0 {
		t.Fatalf("%s has no tests", name)
	}
	return all
}

// lowOrder returns every point that X25519 takes to zero, in each of its encodings.
func lowOrder(t *testing.T) (points []key.DHPublic) {
	t.Helper()
	for _, v := range vectors(t, "x25519_test.json") {
		if !slices.Contains(v.Flags, "ZeroSharedSecret") {
			continue
		}
		p, err := key.ParseDHPublic(v.Public)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(points, p) {
			points = append(points, p)
		}
	}
	if len(points) < 12 { // 5 points, some with a second encoding, each with the top bit set or not
		t.Fatalf("only %d points of low order", len(points))
	}
	return points
}

// No point of low order passes anywhere in the agreement: one would take a
// Diffie-Hellman out of it.
func TestWycheproofLowOrderPoints(t *testing.T) {
	alice, bob := key.NewDH(), newResponder()
	_, genuine := initiate(t, alice, bob, true, nil)
	for _, p := range lowOrder(t) {
		for what, change := range map[string]func(*pqxdh.Bundle, *pqxdh.OneTime){
			"identity":      func(b *pqxdh.Bundle, _ *pqxdh.OneTime) { b.IdentityDH = p },
			"signed prekey": func(b *pqxdh.Bundle, _ *pqxdh.OneTime) { b.SignedPrekey = p },
			"one-time":      func(_ *pqxdh.Bundle, ot *pqxdh.OneTime) { ot.DH = p },
		} {
			b, ot := bob.bundle(), bob.oneTime()
			change(&b, ot)
			if _, _, err := pqxdh.Initiate(alice, b, ot, nil); !errors.Is(err, key.ErrLowOrder) {
				t.Errorf("initiate, %s %s: error %v, want ErrLowOrder", what, p, err)
			}
		}
		for what, change := range map[string]func(*pqxdh.Initial){
			"identity":  func(in *pqxdh.Initial) { in.IdentityDH = p },
			"ephemeral": func(in *pqxdh.Initial) { in.Ephemeral = p },
		} {
			in := genuine
			change(&in)
			if _, err := bob.respond(in, nil); !errors.Is(err, key.ErrLowOrder) {
				t.Errorf("respond, %s %s: error %v, want ErrLowOrder", what, p, err)
			}
		}
	}
}

// HKDF-SHA-256 as the agreement calls it, Extract and Expand in one.
func TestWycheproofHKDF(t *testing.T) {
	for _, v := range vectors(t, "hkdf_sha256_test.json") {
		okm, err := hkdf.Key(sha256.New, v.IKM, v.Salt, string(v.Info), v.Size)
		switch {
		case v.Result == "invalid" && err == nil:
			t.Errorf("test %d, %s: %d bytes were derived", v.ID, v.Comment, v.Size)
		case v.Result == "valid" && (err != nil || !bytes.Equal(okm, v.OKM)):
			t.Errorf("test %d, %s: %x, %v", v.ID, v.Comment, okm, err)
		}
	}
}
