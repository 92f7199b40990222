package rendezvous_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// The kinds of people who ask for what is alice's.
const (
	nobodys   = "a device of nobody"
	revoked   = "a device that she has revoked"
	another   = "another account"
	blocked   = "an account that she has blocked"
	left      = "one who has left her group"
	removed   = "one who was removed from it"
	invited   = "one who is invited and has not joined"
	elsewhere = "a member of another private group"
	sibling   = "her own other device"
	friend    = "a member whom she has accepted" // who may see what the others may not
)

var askers = []string{nobodys, revoked, another, blocked, left, removed, invited, elsewhere, sibling, friend}

// victim is alice, whose contacts ask, with one of everything that servers keep.
type victim struct {
	*world
	ctx     context.Context
	alice   *node
	askers  map[string]*node
	cabal   record.GroupID // her private group
	letters byte
}

// secrets are what is hers in an answer, by what it is.
var secrets = map[string]string{
	"letter":       "a letter for alice alone",
	"group letter": "a letter for the cabal alone",
	"vault":        "", // filled in: her identity key's seed
	"whereabouts":  "", // filled in: an address
	"confidant":    "confidant9",
	"cabal":        "cabal-of-five",
	"late word":    "what was said after they had gone..", // 32 bytes of it are a commitment
}

const cabalName = "cabal-of-five"

func newVictim(t *testing.T, ctx context.Context) *victim {
	w := newWorld(t, 1)
	v := &victim{world: w, ctx: ctx, alice: w.nodeAt(0), askers: make(map[string]*node), cabal: record.NewGroupID()}
	if err := v.alice.enrol(ctx, "alice", "1"); err != nil {
		t.Fatal(err)
	}
	secrets["vault"] = string(v.alice.identity[:32])
	secrets["whereabouts"] = string([]byte{192, 0, 2, 7})
	for i, who := range askers {
		switch who {
		case nobodys:
			v.askers[who] = w.nodeAt(0)
		case revoked, sibling:
			n := w.nodeAt(0)
			if err := v.alice.add(ctx, n); err != nil {
				t.Fatal(err)
			}
			v.askers[who] = n
		default:
			v.askers[who] = w.member(0, fmt.Sprintf("asker%c", 'a'+rune(i)))
		}
	}
	v.revoke(v.askers[revoked])
	v.gather()
	v.keep()
	return v
}

func (v *victim) must(err error) {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
}

func (v *victim) revoke(n *node) {
	v.Helper()
	found, err := v.alice.LookUp(v.ctx, v.alice.account)
	v.must(err)
	v.must(v.alice.AppendDevice(v.ctx, v.alice.account, found.Log.Next(record.RevokeDevice, n.host.ID(), "", time.Now()).Sign(v.alice.identity)))
}

// say appends a statement of somebody's to a group.
func (v *victim) say(n *node, name record.GroupName, op record.GroupOp, about *node) {
	v.Helper()
	s := n.chain(name).Next(op, n.account, n.host.ID(), time.Now())
	if about != nil {
		s.Subject = about.account
	}
	if op == record.Rekey {
		s.Commitment = record.Hash([]byte(secrets["late word"])[:len(record.Hash{})])
	}
	v.must(n.AppendGroup(v.ctx, s.Sign(n.key)))
}

func (v *victim) found(n *node, name record.GroupName, id record.GroupID) {
	v.Helper()
	s := record.Chain{}.Next(record.CreateGroup, n.account, n.host.ID(), time.Now())
	s.Group, s.Name, s.Commitment, s.Settings = id, name, record.Hash{1}, record.Settings{Private: true}
	v.must(n.AppendGroup(v.ctx, s.Sign(n.key)))
}

// gather makes the groups, and has people come and go.
func (v *victim) gather() {
	v.Helper()
	v.found(v.alice, cabalName, v.cabal)
	v.found(v.askers[elsewhere], "another-cabal", record.NewGroupID())
	for _, who := range []string{left, removed, friend, invited} {
		v.say(v.alice, cabalName, record.Invite, v.askers[who])
		if who != invited {
			v.say(v.askers[who], cabalName, record.JoinGroup, nil)
		}
	}
	v.say(v.askers[left], cabalName, record.LeaveGroup, nil)
	v.say(v.alice, cabalName, record.RemoveMember, v.askers[removed])
	v.say(v.alice, cabalName, record.Rekey, nil)
}

// keep has the servers keep what is alice's.
func (v *victim) keep() {
	v.Helper()
	v.askers[friend].put(v.ctx, v.alice, letterTo(v.alice, 1, secrets["letter"]))
	everybody := []peer.ID{v.alice.host.ID()}
	for _, n := range v.askers {
		everybody = append(everybody, n.host.ID())
	}
	errs, err := v.alice.PutGroupMail(v.ctx, v.cabal, []client.GroupLetter{{ID: [16]byte{1}, For: everybody, Message: []byte(secrets["group letter"])}})
	v.must(err)
	v.must(errs[0])
	v.must(v.alice.Announce(v.ctx, v.alice.whereabouts(1)))
	bundle := record.Bundle{Account: v.alice.account, Device: v.alice.host.ID(), Suite: 1, At: time.Now(), SignedPrekeyID: 1, LastResortID: 1}.Sign(v.alice.key)
	var stock [][]byte
	for id := range uint32(record.MaxPrekeys) {
		stock = append(stock, record.OneTimePrekey{Device: v.alice.host.ID(), ID: id + 1}.Sign(v.alice.key))
	}
	v.must(v.alice.PublishKeys(v.ctx, bundle, stock))
	_, err = v.alice.BeginGeneration(v.ctx, 0, client.Token{1}, false)
	v.must(err)
	v.must(v.alice.SetContacts(v.ctx, client.ContactChange{
		Policy: client.PolicyAsk, Accepted: []record.Account{v.askers[friend].account, "confidant9"}, Blocked: []record.Account{v.askers[blocked].account},
	}))
}

// state is all that the servers keep of alice's, by what it is.
func (v *victim) state() map[string]string {
	v.Helper()
	is := make(map[string]string)
	account, err := v.alice.LookUp(v.ctx, v.alice.account)
	v.must(err)
	is["devices"] = fmt.Sprint(account.Log.Len(), account.Log.Head())
	is["mailbox"] = v.alice.fetch(v.ctx, 0, 0)
	is["group mail"] = v.alice.fetchGroup(v.ctx, v.cabal, 0, 0)
	chain, err := v.alice.GroupByID(v.ctx, v.cabal, 0)
	v.must(err)
	is["group"] = fmt.Sprint(chain.Length)
	contacts, err := v.alice.Contacts(v.ctx)
	v.must(err)
	is["contacts"] = fmt.Sprint(contacts)
	found, err := v.alice.FindPeers(v.ctx, []record.Account{v.alice.account})
	v.must(err)
	is["presence"] = fmt.Sprint(len(found), found[0].Info.ID, found[0].Seq)
	g, err := v.alice.BeginGeneration(v.ctx, 99, client.Token{2}, false) // which does not count
	v.must(err)
	is["generation"] = fmt.Sprint(g.Number, g.HighestPrekey)
	return is
}

// prekeysLeft takes one prekey, of the keys that alice has published, and returns how
// many there were.
func (v *victim) prekeysLeft() int {
	v.Helper()
	keys, err := v.askers[friend].TakeKeys(v.ctx, v.alice.account, []peer.ID{v.alice.host.ID()})
	v.must(err)
	if len(keys) != 1 || keys[0].Bundle.SignedPrekeyID != 1 || keys[0].OneTime == nil {
		v.Fatalf("alice's keys are %+v", keys)
	}
	return keys[0].Left + 1
}

// next is somebody's statement that would be the next in alice's group.
func (v *victim) next(n *node, op record.GroupOp) []byte {
	v.Helper()
	s := v.alice.chain(cabalName).Next(op, n.account, n.host.ID(), time.Now())
	if n.account == "" {
		s.Actor = v.alice.account
	}
	s.Commitment = record.Hash{2}
	return s.Sign(n.key)
}

// letter is one from somebody, with a number of its own.
func (v *victim) letter() []byte {
	v.letters++
	id := [wire.LetterIDSize]byte{v.letters, 0xa}
	return id[:]
}

// entry is an entry for alice's device log that somebody signs who must not.
func (v *victim) entry(n *node, op record.DeviceOp, device peer.ID) []byte {
	v.Helper()
	found, err := v.alice.LookUp(v.ctx, v.alice.account)
	v.must(err)
	return found.Log.Next(op, device, "mine", time.Now()).Sign(n.key)
}

// impostor signs up as alice.
func (v *victim) impostor(n *node) *pb.SignUp {
	v.Helper()
	opaqueRecord, err := anyRecord()
	v.must(err)
	identity := directorytest.NewKey()
	first := record.NewDeviceLog(v.alice.account, identity.Public()).Next(record.AddDevice, n.host.ID(), "first", time.Now())
	return &pb.SignUp{Name: "alice", Roll: "1", OpaqueRecord: opaqueRecord, Identity: identity.Public(), Device: first.Sign(identity)}
}
