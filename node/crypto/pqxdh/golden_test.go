package pqxdh_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/key"
)

var update = flag.Bool("update", false, "write testdata anew; only to add cases")

const goldenFile = "testdata/agreement.json"

// golden is one agreement that the responder must come to for ever. Bytes are
// hexadecimal; Secret is the three keys one after another.
type golden struct {
	Identity, SignedPrekey, OneTimeDH, KEM string
	Initial, AD, Secret                    string
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func secretBytes(s pqxdh.Secret) []byte {
	root, a, b := s.Keys()
	return bytes.Join([][]byte{root[:], a[:], b[:]}, nil)
}

func writeGolden(t *testing.T) {
	t.Helper()
	var cases []golden
	for _, oneTime := range []bool{true, false} {
		bob, ad := newResponder(), []byte("alice42 bob7")
		secret, in := initiate(t, key.NewDH(), bob, oneTime, ad)
		initial, err := in.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		g := golden{
			Identity: hex.EncodeToString(bob.identity.Bytes()), SignedPrekey: hex.EncodeToString(bob.signedPrekey.Bytes()),
			KEM: hex.EncodeToString(bob.lastResort.Bytes()), Initial: hex.EncodeToString(initial),
			AD: hex.EncodeToString(ad), Secret: hex.EncodeToString(secretBytes(secret)),
		}
		if oneTime {
			g.OneTimeDH, g.KEM = hex.EncodeToString(bob.oneTimeDH.Bytes()), hex.EncodeToString(bob.oneTimeKEM.Bytes())
		}
		cases = append(cases, g)
	}
	b, err := json.MarshalIndent(cases, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for i, g := range cases {
		identity, signedPrekey, kem := parseDH(t, g.Identity), parseDH(t, g.SignedPrekey), parseKEM(t, g.KEM)
		var oneTime *key.DH
		if g.OneTimeDH != "" {
			k := parseDH(t, g.OneTimeDH)
			oneTime = &k
		}
		in, err := pqxdh.ParseInitial(unhex(t, g.Initial))
		if err != nil {
			t.Fatal(err)
		}
		secret, err := pqxdh.Respond(identity, signedPrekey, kem, oneTime, in, unhex(t, g.AD))
		if err != nil {
			t.Fatal(err)
		}
		got := secretBytes(secret)
		if want := unhex(t, g.Secret); !bytes.Equal(got, want) {
			t.Errorf("case %d: the secret changed", i)
		}
		if want := reference(t, identity, signedPrekey, kem, oneTime, in, unhex(t, g.AD)); !bytes.Equal(got, want) {
			t.Errorf("case %d: the secret is not what the package comment says", i)
		}
	}
}

func parseDH(tb testing.TB, s string) key.DH {
	tb.Helper()
	k, err := key.ParseDH(unhex(tb, s))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func parseKEM(tb testing.TB, s string) key.KEM {
	tb.Helper()
	k, err := key.ParseKEM(unhex(tb, s))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// reference is the derivation of the package comment, written down again with
// HKDF (RFC 5869) by hand.
func reference(tb testing.TB, identity, signedPrekey key.DH, kem key.KEM, oneTime *key.DH, in pqxdh.Initial, ad []byte) []byte {
	tb.Helper()
	dh := func(own key.DH, peer key.DHPublic) []byte {
		shared, err := own.Shared(peer)
		if err != nil {
			tb.Fatal(err)
		}
		return shared[:]
	}
	material := bytes.Repeat([]byte{0xff}, 32)
	material = append(material, dh(signedPrekey, in.IdentityDH)...)
	material = append(material, dh(identity, in.Ephemeral)...)
	material = append(material, dh(signedPrekey, in.Ephemeral)...)
	oneTimePublic := make([]byte, 32)
	if oneTime != nil {
		material = append(material, dh(*oneTime, in.Ephemeral)...)
		oneTimePublic = oneTime.Public().Bytes()
	}
	shared, err := kem.Decapsulate(in.Ciphertext[:])
	if err != nil {
		tb.Fatal(err)
	}
	material = append(material, shared[:]...)

	initial, err := in.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	transcript := sha256.Sum256(bytes.Join([][]byte{
		initial, identity.Public().Bytes(), signedPrekey.Public().Bytes(), oneTimePublic, kem.Public().Bytes(),
		binary.BigEndian.AppendUint64(nil, uint64(len(ad))), ad,
	}, nil))
	mac := func(k []byte, parts ...[]byte) []byte {
		h := hmac.New(sha256.New, k)
		h.Write(bytes.Join(parts, nil))
		return h.Sum(nil)
	}
	prk := mac(make([]byte, 32), material)
	info := append([]byte("tryst pqxdh v1_CURVE25519_SHA-256_ML-KEM-768"), transcript[:]...)
	first := mac(prk, info, []byte{1})
	second := mac(prk, first, info, []byte{2})
	third := mac(prk, second, info, []byte{3})
	return bytes.Join([][]byte{first, second, third}, nil)
}
