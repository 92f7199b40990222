package key_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"

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

	Public, Private, Shared hexBytes     // X25519
	Msg, Sig                hexBytes     // Ed25519
	Seed, Ek, C, K          hexBytes     // ML-KEM
	group                   *vectorGroup // the one that it stands in
}

type vectorGroup struct {
	PublicKey struct{ Pk hexBytes }
	Tests     []vector
}

// vectors returns the tests of one of Wycheproof's files.
func vectors(t *testing.T, name string) (all []vector) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []vectorGroup
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for i := range file.TestGroups {
		for _, v := range file.TestGroups[i].Tests {
			v.group = &file.TestGroups[i]
			all = append(all, v)
		}
	}
	if len(all) == 0 || len(all) != file.NumberOfTests {
		t.Fatalf("%s has %d tests and says %d", name, len(all), file.NumberOfTests)
	}
	return all
}

// Every point is agreed with as RFC 7748 says, whatever its form; but those whose
// result is zero are refused, all of them and no other.
func TestWycheproofX25519(t *testing.T) {
	refused := 0
	for _, v := range vectors(t, "x25519_test.json") {
		own, err := key.ParseDH(v.Private)
		if err != nil {
			t.Fatalf("test %d: %v", v.ID, err)
		}
		peer, err := key.ParseDHPublic(v.Public)
		if err != nil {
			t.Fatalf("test %d: %v", v.ID, err)
		}
		got, err := own.Shared(peer)
		if slices.Contains(v.Flags, "ZeroSharedSecret") {
			refused++
			if !errors.Is(err, key.ErrLowOrder) || got != [key.Size]byte{} {
				t.Errorf("test %d, %s: %x, %v; want ErrLowOrder", v.ID, v.Comment, got, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got[:], v.Shared) {
			t.Errorf("test %d, %s: %x, %v", v.ID, v.Comment, got, err)
		}
	}
	if refused < 20 {
		t.Errorf("only %d points of low order among the tests", refused)
	}
}

// Signatures that are malleable, cut, padded or wrongly encoded do not verify.
func TestWycheproofEd25519(t *testing.T) {
	for _, v := range vectors(t, "ed25519_test.json") {
		k, err := key.ParseIdentityPublic(v.group.PublicKey.Pk)
		if err != nil {
			t.Fatalf("test %d: %v", v.ID, err)
		}
		if got := k.Verify(v.Msg, v.Sig); got != (v.Result == "valid") {
			t.Errorf("test %d, %s: verifies: %t, want %s", v.ID, v.Comment, got, v.Result)
		}
	}
}

func TestWycheproofMLKEMKeys(t *testing.T) {
	for _, v := range vectors(t, "mlkem_768_keygen_seed_test.json") {
		k, err := key.ParseKEM(v.Seed)
		if err != nil {
			t.Fatalf("test %d: %v", v.ID, err)
		}
		if !bytes.Equal(k.Public().Bytes(), v.Ek) {
			t.Errorf("test %d: another public key", v.ID)
		}
	}
}

// A ciphertext of the right length decapsulates to what FIPS 203 says, genuine or
// not; seeds and ciphertexts of other lengths are refused.
func TestWycheproofMLKEMDecapsulation(t *testing.T) {
	for _, v := range vectors(t, "mlkem_768_test.json") {
		k, err := key.ParseKEM(v.Seed)
		var got [key.Size]byte
		if err == nil {
			got, err = k.Decapsulate(v.C)
		}
		switch {
		case v.Result == "invalid" && !errors.Is(err, key.ErrInvalid):
			t.Errorf("test %d, %s: %v, want ErrInvalid", v.ID, v.Comment, err)
		case v.Result == "valid" && (err != nil || !bytes.Equal(got[:], v.K)):
			t.Errorf("test %d, %s: %x, %v", v.ID, v.Comment, got, err)
		}
	}
}

// Public keys of a wrong length, or with a coefficient that is not reduced, are
// refused; what a good one encapsulates is random, so that only its length shows.
func TestWycheproofMLKEMPublicKeys(t *testing.T) {
	for _, v := range vectors(t, "mlkem_768_encaps_test.json") {
		k, err := key.ParseKEMPublic(v.Ek)
		if v.Result == "invalid" {
			if !errors.Is(err, key.ErrInvalid) {
				t.Errorf("test %d, %s: %v, want ErrInvalid", v.ID, v.Comment, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("test %d, %s: %v", v.ID, v.Comment, err)
			continue
		}
		if _, ciphertext, err := k.Encapsulate(); err != nil || len(ciphertext) != len(v.C) {
			t.Errorf("test %d: %d bytes, %v", v.ID, len(ciphertext), err)
		}
	}
}
