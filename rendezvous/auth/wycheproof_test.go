package auth

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
)

// wycheproofVector is one test of the files used here.
type wycheproofVector struct {
	ID      int `json:"tcId"`
	Comment string
	Result  string

	IKM, Salt, Info, OKM hexBytes // HKDF
	Size                 int
	Key, Msg, Tag        hexBytes // HMAC
}

// wycheproofVectors returns those tests of one of Wycheproof's files whose tags have
// so many bits; 0 is any.
func wycheproofVectors(t *testing.T, name string, tagSize int) (all []wycheproofVector) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		TestGroups []struct {
			TagSize int
			Tests   []wycheproofVector
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.TestGroups {
		if tagSize == 0 || g.TagSize == tagSize {
			all = append(all, g.Tests...)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no such tests", name)
	}
	return all
}

// HKDF-SHA-512, of which OPAQUE uses Extract without a salt: with one, Extract is
// HMAC under it.
func TestWycheproofHKDF(t *testing.T) {
	withoutSalt := 0
	for _, v := range wycheproofVectors(t, "hkdf_sha512_test.json", 0) {
		if v.Result != "valid" {
			continue // more than 255 hashes, which no caller asks for
		}
		prk := mac(v.Salt, v.IKM)
		if len(v.Salt) == 0 {
			withoutSalt++
			if got := extract(v.IKM); !bytes.Equal(got, prk) {
				t.Errorf("test %d: extracted %x, want %x", v.ID, got, prk)
			}
		}
		half := len(v.Info) / 2
		if got := expand(prk, v.Info[:half], string(v.Info[half:]), v.Size); !bytes.Equal(got, v.OKM) {
			t.Errorf("test %d, %s: %x, want %x", v.ID, v.Comment, got, v.OKM)
		}
	}
	if withoutSalt == 0 {
		t.Error("no test without a salt")
	}
}

func TestWycheproofHMAC(t *testing.T) {
	for _, v := range wycheproofVectors(t, "hmac_sha512_test.json", 8*hashLen) {
		if got := equal(mac(v.Key, v.Msg), v.Tag); got != (v.Result == "valid") {
			t.Errorf("test %d, %s: equal %t, want %s", v.ID, v.Comment, got, v.Result)
		}
	}
}
