package store

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/session"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func deviceID(t testing.TB, k key.Device) peer.ID {
	t.Helper()
	public, err := crypto.UnmarshalEd25519PublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestPrekeyRows(t *testing.T) {
	s := newStore(t)
	device := key.NewDevice()
	want, _ := account.NewKeys(now).Rotate(now.Add(account.RotateAfter))
	want, private, _ := want.Refill(3, deviceID(t, device), device)
	mustUpdate(t, s, func(tx *Tx) {
		if _, ok := tx.Keys(); ok {
			t.Error("keys before they were put")
		}
		tx.PutKeys(want)
		tx.AddOneTime(private...)
	})
	mustUpdate(t, s, func(tx *Tx) { tx.UseOneTime(private[1].ID); tx.UseOneTime(0) })
	mustView(t, s, func(tx *Tx) {
		got, ok := tx.Keys()
		if !ok || got.NextID != want.NextID || len(got.Generations) != len(want.Generations) {
			t.Fatalf("keys came back different: %+v", got)
		}
		for i, g := range got.Generations {
			w := want.Generations[i]
			if g.SignedID != w.SignedID || g.LastResortID != w.LastResortID || !g.Made.Equal(w.Made) || !g.Signed.Equal(w.Signed) || !g.LastResort.Equal(w.LastResort) {
				t.Errorf("generation %d came back different", i)
			}
			signed, ok := tx.SignedPrekey(w.SignedID)
			lastResort, ok2 := tx.LastResort(w.LastResortID)
			if !ok || !ok2 || !signed.Equal(w.Signed) || !lastResort.Equal(w.LastResort) {
				t.Errorf("generation %d is not found by ID", i)
			}
		}
		if _, ok := tx.SignedPrekey(0); ok {
			t.Error("found a signed prekey that is none")
		}
		dh, kem, ok := tx.OneTime(private[0].ID)
		if !ok || !dh.Equal(private[0].DH) || !kem.Equal(private[0].KEM) {
			t.Error("a one-time prekey came back different")
		}
		if _, _, ok := tx.OneTime(private[1].ID); ok {
			t.Error("a used one-time prekey is still there")
		}
	})
	// The oldest go when there are too many. One pair serves as all: only IDs count.
	mustUpdate(t, s, func(tx *Tx) {
		for i := range account.MaxOneTime {
			pair := private[0]
			pair.ID = uint32(1000 + i)
			tx.putOneTime(pair)
		}
		pair := private[0]
		pair.ID = 70_000
		tx.AddOneTime(pair)
	})
	mustView(t, s, func(tx *Tx) {
		ids := tx.OneTimeIDs()
		if len(ids) != account.MaxOneTime || ids[0] != 1001 || ids[len(ids)-1] != 70_000 {
			t.Errorf("%d one-time prekeys from %d to %d", len(ids), ids[0], ids[len(ids)-1])
		}
	})
}

func TestContactRows(t *testing.T) {
	s := newStore(t)
	identity := key.NewIdentity()
	log := record.NewDeviceLog("alice42", identity.Public().Bytes())
	device := deviceID(t, key.NewDevice())
	entry := log.Next(record.AddDevice, device, "laptop", now).Sign(identity)
	want, err := account.NewContact("alice42", identity.Public(), [][]byte{entry})
	if err != nil {
		t.Fatal(err)
	}
	want.Verified = true
	check := func(tx *Tx) {
		t.Helper()
		got, ok := tx.Contact("alice42")
		if !ok || got.Identity != want.Identity || !got.Verified || got.Devices().Head() != want.Devices().Head() {
			t.Errorf("contact came back different: %+v", got)
		}
		if a, ok := tx.AccountOf(device); !ok || a != "alice42" {
			t.Errorf("the device is %q's", a)
		}
		if owners := tx.Owners(); len(owners) != 1 || owners[device] != "alice42" {
			t.Errorf("owners: %v", owners)
		}
		if all := tx.Contacts(); len(all) != 1 || all[0].Account != "alice42" {
			t.Errorf("contacts: %+v", all)
		}
	}
	mustUpdate(t, s, func(tx *Tx) {
		if _, ok := tx.Contact("alice42"); ok {
			t.Error("a contact before it was put")
		}
		tx.PutContact(want)
		check(tx)
	})
	mustView(t, s, check)
	doubted := want
	doubted.Verified = false
	mustUpdate(t, s, func(tx *Tx) { tx.PutContact(doubted) })
	mustView(t, s, func(tx *Tx) {
		if got, _ := tx.Contact("alice42"); got.Verified {
			t.Error("read an older contact")
		}
	})
}

// What a failed transaction has put must not be read from memory.
func TestSessionRows(t *testing.T) {
	s := newStore(t)
	device := key.NewDevice()
	id, dh := deviceID(t, device), key.NewDH()
	bundle, err := record.VerifyBundle(account.NewKeys(now).Bundle("bob7", id, dh.Public(), now, device), "bob7", id)
	if err != nil {
		t.Fatal(err)
	}
	self := session.Local{Identity: session.Identity{Account: "alice42", Device: deviceID(t, key.NewDevice())}, DH: key.NewDH()}
	begun, err := session.Begin(session.Record{}, self, session.Identity{Account: "bob7", Device: id}, bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(func(tx *Tx) error {
		tx.PutSession(id, begun)
		if !tx.Session(id).Ready() {
			t.Error("a transaction does not read what it wrote")
		}
		return errRefused
	})
	if err == nil {
		t.Fatal("no error")
	}
	mustView(t, s, func(tx *Tx) {
		if tx.Session(id).Ready() {
			t.Error("a session that was never committed")
		}
	})
	mustUpdate(t, s, func(tx *Tx) { tx.PutSession(id, begun) })
	if err := s.PrepareSession(id); err != nil {
		t.Fatal(err)
	}
	s.sessions = parsed[peer.ID, session.Record]{} // as after a restart
	for range 2 {
		mustView(t, s, func(tx *Tx) {
			got, err := tx.Session(id).MarshalBinary()
			want, _ := begun.MarshalBinary()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("the session came back different: %v", err)
			}
		})
	}
	mustView(t, s, func(tx *Tx) {
		if got := tx.Sessions(); len(got) != 1 || got[0] != id {
			t.Errorf("sessions with %v", got)
		}
	})
	mustUpdate(t, s, func(tx *Tx) { tx.RemoveSession(id) })
	mustView(t, s, func(tx *Tx) {
		if tx.Session(id).Ready() || len(tx.Sessions()) != 0 {
			t.Error("a removed session")
		}
	})
	if err := s.PrepareSession(id); err != nil {
		t.Errorf("prepare where there is none: %v", err)
	}
}

func TestParsedIsBounded(t *testing.T) {
	var p parsed[int, int]
	for i := range maxParsed + 10 {
		p.put(i, []byte{1}, i)
	}
	if len(p.entries) != maxParsed {
		t.Errorf("%d entries, want %d", len(p.entries), maxParsed)
	}
	p.put(1_000_000, []byte{1}, 7)
	if _, ok := p.get(1_000_000, []byte{2}); ok {
		t.Error("an entry of other bytes")
	}
	if v, ok := p.get(1_000_000, []byte{1}); !ok || v != 7 {
		t.Error("the newest entry is gone")
	}
}

func TestHistory(t *testing.T) {
	s := newStore(t)
	file := &File{ID: TransferID{1}, Name: "a.txt", Size: 3, SHA256: [32]byte{2}, Path: "/tmp/a.txt"}
	for i := range 5 {
		mustUpdate(t, s, func(tx *Tx) {
			tx.Append(Message{ID: wire.NewMessageID(), Conversation: "bob7", From: "bob7", Text: strconv.Itoa(i), SentAt: now, ReceivedAt: now})
			tx.Append(Message{Conversation: "bob77", From: "bob77", Text: "another"})
			if i == 4 {
				tx.Append(Message{Conversation: "#g1", From: "bob7", File: file})
				if got := texts(tx.History("bob7", 2)); got != "[3 4]" {
					t.Errorf("within the transaction: %s", got)
				}
			}
		})
	}
	mustView(t, s, func(tx *Tx) {
		for n, want := range map[int]string{0: "[0 1 2 3 4]", 2: "[3 4]", 99: "[0 1 2 3 4]"} {
			if got := texts(tx.History("bob7", n)); got != want {
				t.Errorf("last %d: %s, want %s", n, got, want)
			}
		}
		m := tx.History("bob7", 1)[0]
		if m.Conversation != "bob7" || !m.SentAt.Equal(now) || !m.ReceivedAt.Equal(now) || m.Order == 0 || m.File != nil || m.ID == (wire.MessageID{}) {
			t.Errorf("came back different: %+v", m)
		}
		if got := tx.History("#g1", 1)[0].File; *got != *file {
			t.Errorf("file came back different: %+v", got)
		}
		if got := tx.History("nobody1", 3); len(got) != 0 {
			t.Errorf("history of nobody: %v", got)
		}
	})
}

func texts(messages []Message) string {
	var out []string
	for _, m := range messages {
		out = append(out, m.Text)
	}
	return fmt.Sprint(out)
}

func TestSeen(t *testing.T) {
	s := newStore(t)
	early, late := wire.NewMessageID(), wire.NewMessageID()
	mustUpdate(t, s, func(tx *Tx) {
		tx.MarkSeen("a", early, now)
		tx.MarkSeen("a", late, now.Add(time.Hour))
		if !tx.Seen("a", early) || tx.Seen("b", early) {
			t.Error("seen by the wrong device")
		}
	})
	mustUpdate(t, s, func(tx *Tx) {
		if tx.PruneSeen(now.Add(SeenLifetime)) {
			t.Error("there is no more to forget")
		}
	})
	mustView(t, s, func(tx *Tx) {
		if tx.Seen("a", early) || !tx.Seen("a", late) {
			t.Error("forgot the wrong message")
		}
	})
	for range 2 {
		mustUpdate(t, s, func(tx *Tx) {
			for range maxPrune/2 + 1 {
				tx.MarkSeen("a", wire.NewMessageID(), now)
			}
		})
	}
	for _, want := range []bool{true, false} {
		mustUpdate(t, s, func(tx *Tx) {
			if got := tx.PruneSeen(now.Add(2 * SeenLifetime)); got != want {
				t.Errorf("more to forget: %v, want %v", got, want)
			}
		})
	}
}

func TestGroupsAndTransfers(t *testing.T) {
	s := newStore(t)
	a, b := record.GroupID{1}, record.GroupID{2}
	mustUpdate(t, s, func(tx *Tx) {
		tx.PutGroup(a, []byte("a"))
		tx.PutGroup(b, []byte("b"))
		tx.PutTransfer(TransferID{1}, []byte("t"))
		tx.PutTransfer(TransferID{2}, []byte("u"))
		tx.RemoveTransfer(TransferID{2})
		tx.PutMeta("empty", []byte{})
		tx.PutMeta("gone", []byte("x"))
		tx.PutMeta("gone", nil)
	})
	mustUpdate(t, s, func(tx *Tx) {
		if groups := tx.Groups(); len(groups) != 2 || string(groups[b]) != "b" {
			t.Errorf("groups: %v", groups)
		}
		tx.RemoveGroup(a)
	})
	mustView(t, s, func(tx *Tx) {
		if _, ok := tx.Group(a); ok {
			t.Error("a removed group is there")
		}
		if v, ok := tx.Group(b); !ok || string(v) != "b" {
			t.Error("another group was removed too")
		}
		if transfers := tx.Transfers(); len(transfers) != 1 || string(transfers[TransferID{1}]) != "t" {
			t.Errorf("transfers: %v", transfers)
		}
		if v, ok := tx.Transfer(TransferID{1}); !ok || string(v) != "t" {
			t.Errorf("transfer: %q", v)
		}
		if v, ok := tx.Meta("empty"); !ok || len(v) != 0 {
			t.Error("an empty value is not there")
		}
		if _, ok := tx.Meta("gone"); ok {
			t.Error("a removed value is there")
		}
	})
}
