package session

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/node/crypto/pqxdh"
	"github.com/tryst-chat/tryst/node/crypto/ratchet"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/wire"
)

func TestConversation(t *testing.T) {
	for _, withOneTime := range []bool{true, false} {
		alice, bob := newPair(t)
		if _, _, err := alice.record.Encrypt(alice.local, bob.identity(), nil); !errors.Is(err, ErrNoSession) {
			t.Fatalf("Encrypt without a session: %v", err)
		}
		alice.begin(t, bob, withOneTime)
		if !alice.record.Ready() || bob.record.Ready() {
			t.Fatal("only alice has a session yet")
		}
		first := alice.encrypt(t, bob, "first")
		second := alice.encrypt(t, bob, "second")
		for _, envelope := range [][]byte{first, second} {
			if envelope[1] != kindPrekey {
				t.Error("no Initial goes along though bob has not answered")
			}
		}
		bob.mustDecrypt(t, alice, second, "second")
		if len(bob.oneTime) != 0 {
			t.Error("the one-time prekey is still there")
		}
		bob.mustDecrypt(t, alice, first, "first")
		alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "answer"), "answer")
		third := alice.encrypt(t, bob, "third")
		if third[1] != kindMessage {
			t.Error("the Initial goes along though bob has answered")
		}
		bob.mustDecrypt(t, alice, third, "third")
		bob.mustDecrypt(t, alice, alice.encrypt(t, bob, ""), "")
	}
}

func TestReplay(t *testing.T) {
	for _, withOneTime := range []bool{true, false} {
		alice, bob := newPair(t)
		alice.begin(t, bob, withOneTime)
		envelope := alice.encrypt(t, bob, "once")
		bob.mustDecrypt(t, alice, envelope, "once")
		before := encoded(t, bob.record)
		if _, err := bob.decrypt(alice, envelope); !errors.Is(err, ErrDuplicate) {
			t.Errorf("replayed: %v", err)
		}
		if encoded(t, bob.record) != before {
			t.Error("a replay changed the record")
		}
	}
}

// A prekey message must not begin its session again after that one has been
// pushed out, though the last-resort prekey is still there.
func TestReplayAfterSessionEnded(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, false)
	first := alice.encrypt(t, bob, "once")
	bob.mustDecrypt(t, alice, first, "once")
	for range MaxSessions {
		alice.begin(t, bob, false)
		bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "again"), "again")
	}
	if got := len(bob.record.sessions); got != MaxSessions {
		t.Fatalf("%d sessions, want %d", got, MaxSessions)
	}
	if _, err := bob.decrypt(alice, first); !errors.Is(err, ErrOpen) {
		t.Errorf("replayed after its session ended: %v", err)
	}
	for range MaxEnded + 1 {
		alice.begin(t, bob, false)
		bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "again"), "again")
	}
	if got := len(bob.record.ended); got != MaxEnded {
		t.Errorf("%d ended sessions remembered, want %d", got, MaxEnded)
	}
}

func TestBothBegin(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, true)
	bob.begin(t, alice, true)
	fromAlice, fromBob := alice.encrypt(t, bob, "a1"), bob.encrypt(t, alice, "b1")
	late := alice.encrypt(t, bob, "a2")
	alice.mustDecrypt(t, bob, fromBob, "b1")
	bob.mustDecrypt(t, alice, fromAlice, "a1")

	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "b2"), "b2")
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "a3"), "a3")
	if alice.record.sessions[0].began != bob.record.sessions[0].began {
		t.Error("they do not agree on a session")
	}
	bob.mustDecrypt(t, alice, late, "a2")
}

// Bob has lost his sessions: alice begins a new one and goes on.
func TestRenewal(t *testing.T) {
	alice, bob := newPair(t)
	talk(t, alice, bob)
	bob.record = Record{}
	if _, err := bob.decrypt(alice, alice.encrypt(t, bob, "lost")); !errors.Is(err, ErrOpen) {
		t.Fatalf("without a session: %v", err)
	}
	alice.begin(t, bob, true)
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "found"), "found")
	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "good"), "good")
}

func TestPrekeyGone(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, true)
	envelope := alice.encrypt(t, bob, "hello")
	clear(bob.oneTime)
	if _, err := bob.decrypt(alice, envelope); !errors.Is(err, ErrNoPrekey) {
		t.Errorf("one-time prekey gone: %v", err)
	}
	alice.begin(t, bob, false)
	envelope = alice.encrypt(t, bob, "hello")
	bob.keys.Generations = nil
	if _, err := bob.decrypt(alice, envelope); !errors.Is(err, ErrNoPrekey) {
		t.Errorf("signed prekey gone: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	alice, bob := newPair(t)
	mallory := newDevice(t, "mallory6")
	bundle, prekey := bob.published(t, true)
	otherKey := bob.identity()
	otherKey.DH = mallory.local.DH.Public()
	otherAccount := bob.identity()
	otherAccount.Account = "mallory6"
	for name, peer := range map[string]Identity{"key": otherKey, "account": otherAccount, "device": mallory.identity()} {
		if _, err := Begin(alice.record, alice.local, peer, bundle, prekey); !errors.Is(err, ErrIdentity) {
			t.Errorf("Begin with another %s: %v", name, err)
		}
	}
	_, foreign := mallory.published(t, true)
	if _, err := Begin(alice.record, alice.local, bob.identity(), bundle, foreign); !errors.Is(err, ErrIdentity) {
		t.Errorf("Begin with another device's one-time prekey: %v", err)
	}
	old := bundle
	old.Suite = 0
	if _, err := Begin(alice.record, alice.local, bob.identity(), old, prekey); !errors.Is(err, ErrSuite) {
		t.Errorf("Begin with an unknown suite: %v", err)
	}

	// An Initial that names another identity key than the pinned one.
	alice.begin(t, bob, true)
	envelope := alice.encrypt(t, bob, "hello")
	if _, err := bob.record.Decrypt(bob.local, mallory.identity(), bob, envelope, now); !errors.Is(err, ErrIdentity) {
		t.Errorf("alice's Initial as mallory's: %v", err)
	}
	// Without a pinned key the one in the Initial counts, from then on.
	unknown := alice.identity()
	unknown.DH = key.DHPublic{}
	opened, err := bob.record.Decrypt(bob.local, unknown, bob, envelope, now)
	if err != nil {
		t.Fatal(err)
	}
	bob.record = opened.Record
	changed := alice.identity()
	changed.DH = mallory.local.DH.Public()
	if _, err := bob.record.Decrypt(bob.local, changed, bob, envelope, now); !errors.Is(err, ErrIdentity) {
		t.Errorf("a changed identity key: %v", err)
	}
	if _, _, err := bob.record.Encrypt(bob.local, changed, nil); !errors.Is(err, ErrIdentity) {
		t.Errorf("Encrypt to a changed identity key: %v", err)
	}
	if _, envelope, err = bob.record.Encrypt(bob.local, unknown, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	alice.mustDecrypt(t, bob, envelope, "hi")
}

// The ends are bound: what was sealed for one pair opens under no other names.
func TestEndsAreBound(t *testing.T) {
	alice, bob := newPair(t)
	talk(t, alice, bob)
	envelope := alice.encrypt(t, bob, "hello")
	renamed := alice.identity()
	renamed.Account = "alice43"
	if _, err := bob.record.Decrypt(bob.local, renamed, bob, envelope, now); !errors.Is(err, ErrOpen) {
		t.Errorf("another account: %v", err)
	}
	self := bob.local
	self.Account = "bob8"
	if _, err := bob.record.Decrypt(self, alice.identity(), bob, envelope, now); !errors.Is(err, ErrOpen) {
		t.Errorf("another account of one's own: %v", err)
	}
	if _, err := alice.decrypt(bob, envelope); !errors.Is(err, ErrOpen) {
		t.Errorf("reflected: %v", err)
	}
	first, second := newPair(t)
	first.begin(t, second, false)
	if _, err := first.decrypt(second, first.encrypt(t, second, "mine")); err == nil {
		t.Error("a reflected prekey message opened")
	}
}

func TestEveryFlippedByte(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, false)
	prekey := alice.encrypt(t, bob, "hello")
	check := func(envelope []byte, step int) {
		t.Helper()
		before := encoded(t, bob.record)
		for i := 0; i < len(envelope); i += step {
			flipped := bytes.Clone(envelope)
			flipped[i] ^= 1
			if _, err := bob.decrypt(alice, flipped); err == nil {
				t.Fatalf("byte %d flipped and it opened", i)
			}
		}
		if encoded(t, bob.record) != before {
			t.Error("a forged envelope changed the record")
		}
	}
	check(prekey, 7) // each flip costs an agreement
	bob.mustDecrypt(t, alice, prekey, "hello")
	check(alice.encrypt(t, bob, "known session"), 1)
	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "answer"), "answer")
	check(alice.encrypt(t, bob, "plain"), 1)
}

func TestSizes(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, true)
	longest := strings.Repeat("x", ratchet.MaxPlaintext)
	envelope := alice.encrypt(t, bob, longest)
	if len(envelope) > wire.MaxEnvelope {
		t.Errorf("the longest prekey message has %d bytes", len(envelope))
	}
	bob.mustDecrypt(t, alice, envelope, longest)
	if _, _, err := alice.record.Encrypt(alice.local, bob.identity(), []byte(longest+"x")); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long a plaintext: %v", err)
	}
	if _, err := bob.decrypt(alice, make([]byte, wire.MaxEnvelope+1)); !errors.Is(err, ErrOpen) {
		t.Errorf("too long an envelope: %v", err)
	}
	if len(alice.encrypt(t, bob, "a")) != len(alice.encrypt(t, bob, strings.Repeat("b", 200))) {
		t.Error("lengths show though they are padded")
	}
}

// A Record is a value: an earlier one is not touched by what is done to a later.
func TestRecordsAreValues(t *testing.T) {
	alice, bob := newPair(t)
	talk(t, alice, bob)
	envelope := alice.encrypt(t, bob, "hello")
	before := encoded(t, bob.record)
	kept := bob.record
	for range 2 {
		bob.record = kept
		bob.mustDecrypt(t, alice, envelope, "hello") // nothing remembers the first time
	}
	prepared, err := kept.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := prepared.Encrypt(bob.local, alice.identity(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if encoded(t, kept) != before {
		t.Error("a record changed")
	}
}

func TestRecordEncoding(t *testing.T) {
	alice, bob := newPair(t)
	records := []Record{{}}
	alice.begin(t, bob, true)
	records = append(records, alice.record)
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "hello"), "hello")
	records = append(records, bob.record)
	for range MaxSessions + 2 {
		alice.begin(t, bob, false)
	}
	records = append(records, alice.record)
	for i, r := range records {
		b := encoded(t, r)
		parsed, err := ParseRecord([]byte(b))
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if encoded(t, parsed) != b {
			t.Errorf("record %d comes back different", i)
		}
		for n := range len(b) {
			if n < 100 || n > len(b)-100 || n%17 == 0 {
				if _, err := ParseRecord([]byte(b[:n])); !errors.Is(err, ErrRecord) {
					t.Fatalf("record %d cut to %d bytes: %v", i, n, err)
				}
			}
		}
		if _, err := ParseRecord([]byte(b + "\x00")); !errors.Is(err, ErrRecord) {
			t.Errorf("record %d with a byte more: %v", i, err)
		}
	}
}

// Whatever bit of a stored record has changed: it is refused, or it is another record,
// with the changed bytes as its one encoding.
func TestChangedRecords(t *testing.T) {
	alice, bob := newPair(t)
	alice.begin(t, bob, true)
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "hello"), "hello")
	for _, d := range []*device{alice, bob} {
		stored := []byte(encoded(t, d.record))
		for i := range stored {
			changed := bytes.Clone(stored)
			changed[i] ^= 1 << (i % 8)
			r, err := ParseRecord(changed)
			if err == nil && encoded(t, r) != string(changed) || err != nil && !errors.Is(err, ErrRecord) {
				t.Errorf("byte %d changed: encodes to other bytes, or %v", i, err)
			}
		}
	}
}

// An envelope is its head and the ratchet's message, in one way.
func FuzzParseEnvelope(f *testing.F) {
	alice, bob := newPair(f)
	alice.begin(f, bob, true)
	f.Add(alice.encrypt(f, bob, "hello"))
	bob.mustDecrypt(f, alice, alice.encrypt(f, bob, "hello"), "hello")
	f.Add(bob.encrypt(f, alice, "hello"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEnvelope(b)
		if err != nil {
			if !errors.Is(err, ErrOpen) {
				t.Errorf("error %v, want ErrOpen", err)
			}
			return
		}
		var initial []byte
		if e.initial != nil {
			if initial, err = e.initial.MarshalBinary(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(append(head(initial), e.message...), b) || !bytes.Equal(head(initial), e.head) {
			t.Errorf("%x is made of other parts", b)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	alice, bob := newPair(f)
	f.Add([]byte(encoded(f, Record{})))
	alice.begin(f, bob, true)
	f.Add([]byte(encoded(f, alice.record)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		if err == nil && encoded(t, r) != string(b) {
			t.Error("accepted bytes encode to others")
		}
	})
}

// The fuzzer says what to change in genuine envelopes, and how to go on after
// their end: what it could not guess are the keys.
func FuzzDecrypt(f *testing.F) {
	alice, bob := newPair(f)
	talk(f, alice, bob)
	plain := alice.encrypt(f, bob, "hello")
	alice.begin(f, bob, false)
	prekey := alice.encrypt(f, bob, "hello")
	f.Add(false, []byte{0, kindMessage ^ kindPrekey})
	f.Add(true, []byte{0, kindMessage ^ kindPrekey})
	f.Add(true, make([]byte, headSize+pqxdh.InitialSize+1))
	f.Fuzz(func(t *testing.T, first bool, mask []byte) {
		genuine := plain
		if first {
			genuine = prekey
		}
		changed := append(bytes.Clone(genuine), make([]byte, max(0, len(mask)-len(genuine)))...)
		for i, m := range mask {
			changed[i] ^= m
		}
		_, err := bob.record.Decrypt(bob.local, alice.identity(), bob, changed, now)
		if (err == nil) != bytes.Equal(changed, genuine) {
			t.Errorf("changed by %x: %v", mask, err)
		}
		_, err = bob.record.Decrypt(bob.local, alice.identity(), bob, mask, now)
		if err == nil {
			t.Error("a made-up envelope opened")
		}
	})
}
