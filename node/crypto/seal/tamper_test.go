package seal_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// Every single bit counts: of the sealed bytes, of the associated data, of the header
// and of the key. What Open was given is the same after it has refused.
func TestEveryBitCounts(t *testing.T) {
	k, ad, header := key.NewMessage().Bytes(), []byte("associated"), []byte("header")
	parsed, err := key.ParseMessage(k)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Seal(parsed, seal.Message, ad, header, []byte("the plaintext"))
	if err != nil {
		t.Fatal(err)
	}
	all := [][]byte{k, ad, header, sealed}
	untouched := bytes.Join(all, nil)
	for part, b := range all {
		for bit := range 8 * len(b) {
			b[bit/8] ^= 1 << (bit % 8)
			before := bytes.Join(all, nil)
			changed, err := key.ParseMessage(k)
			if err != nil {
				t.Fatal(err)
			}
			refuse(t, fmt.Sprintf("part %d, bit %d flipped", part, bit), changed, seal.Message, ad, header, sealed)
			if !bytes.Equal(bytes.Join(all, nil), before) {
				t.Fatalf("part %d, bit %d: Open wrote into what it was given", part, bit)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
	if !bytes.Equal(bytes.Join(all, nil), untouched) {
		t.Fatal("the test did not put every bit back")
	}
	if got, err := seal.Open(parsed, seal.Message, ad, header, sealed); err != nil || string(got) != "the plaintext" {
		t.Errorf("after all that: %q, %v", got, err)
	}
}

// The same for a chunk: its bytes, and each bit of the index that it is opened at.
func TestEveryBitOfAChunkCounts(t *testing.T) {
	s := seal.NewStream(key.NewFile(), []byte("transfer"))
	const index = 5
	sealed := sealChunk(t, s, index, true, []byte("the last chunk"))
	refuse := func(what string, index uint64) {
		t.Helper()
		if got, err := s.OpenChunk(index, true, sealed); err != seal.ErrOpen || got != nil {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	for bit := range 8 * len(sealed) {
		sealed[bit/8] ^= 1 << (bit % 8)
		refuse(fmt.Sprintf("bit %d flipped", bit), index)
		sealed[bit/8] ^= 1 << (bit % 8)
	}
	for bit := range 64 {
		refuse(fmt.Sprintf("bit %d of the index", bit), index^1<<bit)
	}
	if got, err := s.OpenChunk(index, true, sealed); err != nil || string(got) != "the last chunk" {
		t.Errorf("after all that: %q, %v", got, err)
	}
}
