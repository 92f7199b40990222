package senderkey_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
)

// An Opening opens one message as it was sent, in its group and epoch and from its
// sender, and nothing else of the chain.
func TestOpening(t *testing.T) {
	s, ad := newSender(t), []byte("alice")
	var messages [][]byte
	var openings []senderkey.Opening
	for _, text := range []string{"zero", "one", "two"} {
		m, with, err := s.Encrypt(ad, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		messages, openings = append(messages, m), append(openings, with)
	}
	one := openings[1]
	if got, err := senderkey.Open(group, epoch, one, ad, messages[1]); err != nil || string(got) != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	refuses := func(what string, groupID [16]byte, epoch uint64, o senderkey.Opening, ad, message []byte) {
		t.Helper()
		if got, err := senderkey.Open(groupID, epoch, o, ad, message); !errors.Is(err, senderkey.ErrDecrypt) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	refuses("the message before", group, epoch, one, ad, messages[0])
	refuses("the message after", group, epoch, one, ad, messages[2])
	lying := one
	lying.Iteration = 2
	refuses("under another number", group, epoch, lying, ad, messages[1])
	refuses("the key under the number of another", group, epoch, lying, ad, messages[2])
	refuses("another group", [16]byte{9}, epoch, one, ad, messages[1])
	refuses("another epoch", group, epoch+1, one, ad, messages[1])
	refuses("another sender", group, epoch, one, []byte("bob"), messages[1])
	lying = one
	lying.Signing[0] ^= 1
	refuses("another signing key", group, epoch, lying, ad, messages[1])
	lying = one
	lying.Key = openings[0].Key
	refuses("another key", group, epoch, lying, ad, messages[1])
	for i := range messages[1] {
		changed := bytes.Clone(messages[1])
		changed[i] ^= 1 << (i % 8)
		refuses("a changed byte", group, epoch, one, ad, changed)
	}
	for n := range messages[1] {
		refuses("a part", group, epoch, one, ad, messages[1][:n])
	}
}

func same(a, b senderkey.Opening) bool {
	return a.Iteration == b.Iteration && a.Signing == b.Signing && a.Key.Equal(b.Key)
}
