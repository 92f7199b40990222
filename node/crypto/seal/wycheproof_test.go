package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/tryst-chat/tryst/node/crypto/tdes"
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
	Result  string

	Key, IV, Msg, Ct, Tag hexBytes // AES-GCM, HMAC
	IKM, Salt, Info, OKM  hexBytes // HKDF
	Size                  int
}

// vectors returns those tests of one of Wycheproof's files whose sizes, in bits,
// are the given ones; 0 is any.
func vectors(t *testing.T, name string, keySize, ivSize, tagSize int) (all []vector) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct {
			KeySize, IVSize, TagSize int
			Tests                    []vector
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.TestGroups {
		if (keySize == 0 || g.KeySize == keySize) && (ivSize == 0 || g.IVSize == ivSize) && (tagSize == 0 || g.TagSize == tagSize) {
			all = append(all, g.Tests...)
		}
	}
	if len(all) < 50 {
		t.Fatalf("%s has only %d tests of these sizes", name, len(all))
	}
	return all
}

// The seal's AES is AES-256 in counter mode: what AES-GCM encrypts with (SP
// 800-38D, section 7.1: from counter block 2 on), whose vectors it is tried on. The
// 3DES keystream, which lies below it, is taken off again.
func TestWycheproofAES(t *testing.T) {
	for _, v := range vectors(t, "aes_gcm_test.json", 8*aesKeySize, 96, 0) {
		if v.Result != "valid" {
			continue // a tag is wrong, which counter mode does not have
		}
		k := split(okmOf(2, 4, 6))
		copy(k.aes[:], v.Key)
		copy(k.aesCounter[:], append(bytes.Clone(v.IV), 0, 0, 0, 2))
		got := make([]byte, len(v.Msg))
		if err := k.xor(got, v.Msg); err != nil {
			t.Fatal(err)
		}
		if err := tdes.XORKeyStream(got, got, &k.des, k.desCounter); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, v.Ct) {
			t.Errorf("test %d: %x, want %x", v.ID, got, v.Ct)
		}
	}
}

// The derivation behind expander is HKDF-SHA-256's Expand. Wycheproof has no vectors
// of that half alone, so that Extract goes before it.
func TestWycheproofHKDF(t *testing.T) {
	for _, v := range vectors(t, "hkdf_sha256_test.json", 0, 0, 0) {
		prk, err := hkdf.Extract(sha256.New, v.IKM, v.Salt)
		if err != nil {
			t.Fatal(err)
		}
		okm, err := expandFor(prk, string(v.Info), v.Size)
		switch {
		case v.Result == "invalid" && err == nil:
			t.Errorf("test %d, %s: %d bytes were derived", v.ID, v.Comment, v.Size)
		case v.Result == "valid" && (err != nil || !bytes.Equal(okm, v.OKM)):
			t.Errorf("test %d, %s: %x, %v", v.ID, v.Comment, okm, err)
		}
	}
}

// The tag is the whole HMAC-SHA-256, compared to its last bit.
func TestWycheproofHMAC(t *testing.T) {
	for _, v := range vectors(t, "hmac_sha256_test.json", 8*macKeySize, 0, 8*TagSize) {
		k := new(keys)
		copy(k.mac[:], v.Key)
		if got := bytes.Equal(k.hmac(nil, v.Msg), v.Tag); got != (v.Result == "valid") {
			t.Errorf("test %d, %s: equal %t, want %s", v.ID, v.Comment, got, v.Result)
		}
		if split := len(v.Msg) / 2; !bytes.Equal(k.hmac(nil, v.Msg[:split], v.Msg[split:]), k.hmac(nil, v.Msg)) {
			t.Errorf("test %d: parts in a row have another tag than the whole", v.ID)
		}
	}
}
