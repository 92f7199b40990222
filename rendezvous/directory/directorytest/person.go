// Package directorytest makes people for tests of the directory and of what is
// built on it: valid keys, logs, bundles and chains, and the commands that
// carry them. Only tests import it.
package directorytest

import (
	"crypto/ed25519"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Key is an Ed25519 key that signs.
type Key ed25519.PrivateKey

// NewKey makes a key.
func NewKey() Key {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return Key(private)
}

// Sign implements record.Signer.
func (k Key) Sign(message []byte) []byte { return ed25519.Sign(ed25519.PrivateKey(k), message) }

// Public returns the public half, 32 bytes.
func (k Key) Public() ed25519.PublicKey {
	return ed25519.PrivateKey(k).Public().(ed25519.PublicKey)
}

// Private returns the key as libp2p takes it.
func (k Key) Private() crypto.PrivKey {
	private, err := crypto.UnmarshalEd25519PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return private
}

// ID returns the peer ID that the key stands behind.
func (k Key) ID() peer.ID {
	id, err := peer.IDFromPrivateKey(k.Private())
	if err != nil {
		panic(err)
	}
	return id
}

// Now is the time of all that people sign here.
var Now = time.Unix(1_800_000_000, 0)

// Person is an account with its keys and its own view of its device log.
type Person struct {
	Account  record.Account
	Identity Key
	Devices  []Key // revoked ones included
	Log      record.DeviceLog

	first []byte // entry of the log
	next  uint32 // prekey ID
}

// NewPerson makes a person with one device, whom SignUp enters.
func NewPerson(account record.Account) *Person {
	p := &Person{Account: account, Identity: NewKey(), Devices: []Key{NewKey()}, next: 1}
	p.Log = record.NewDeviceLog(account, p.Identity.Public())
	p.first = p.Entry(record.AddDevice, p.Devices[0])
	p.Keep(p.first)
	return p
}

// SignUp returns the command that makes the account, on open terms.
func (p *Person) SignUp() []byte { return p.SignUpWith(directory.Pass{}) }

// SignUpWith is SignUp with what the terms ask for.
func (p *Person) SignUpWith(pass directory.Pass) []byte {
	return directory.SignUp(p.Account, make([]byte, 192), []byte("vault of "+p.Account), p.Identity.Public(), p.first, pass)
}

// Entry signs the next entry of the log.
func (p *Person) Entry(op record.DeviceOp, device Key) []byte {
	return p.Log.Next(op, device.ID(), "device", Now).Sign(p.Identity)
}

// Keep appends an entry to the person's own view of the log.
func (p *Person) Keep(entry []byte) {
	log, err := p.Log.Append(entry)
	if err != nil {
		panic(err)
	}
	p.Log = log
}

// Bundle signs a bundle of a device; number tells bundles apart.
func (p *Person) Bundle(device Key, number uint32) []byte {
	return record.Bundle{
		Account: p.Account, Device: device.ID(), Suite: 1, SignedPrekeyID: number, LastResortID: number, At: Now,
	}.Sign(device)
}

// Prekeys signs n fresh one-time prekeys of a device.
func (p *Person) Prekeys(device Key, n int) [][]byte {
	var signed [][]byte
	for range n {
		signed = append(signed, record.OneTimePrekey{Device: device.ID(), ID: p.next}.Sign(device))
		p.next++
	}
	return signed
}

// Create signs the first statement of a group.
func (p *Person) Create(id record.GroupID, name record.GroupName) []byte {
	return p.CreateWith(id, name, record.Settings{})
}

// CreateWith is Create for a group with settings.
func (p *Person) CreateWith(id record.GroupID, name record.GroupName, settings record.Settings) []byte {
	s := record.Chain{}.Next(record.CreateGroup, p.Account, p.Devices[0].ID(), Now)
	s.Group, s.Name, s.Settings, s.Commitment = id, name, settings, record.Hash{1}
	return s.Sign(p.Devices[0])
}

// Invite signs the statement by which the person invites somebody.
func (p *Person) Invite(c record.Chain, who record.Account) []byte {
	return p.does(c, record.Invite, who)
}

// MakeAdmin signs the statement by which the person makes somebody an admin.
func (p *Person) MakeAdmin(c record.Chain, who record.Account) []byte {
	return p.does(c, record.MakeAdmin, who)
}

func (p *Person) does(c record.Chain, op record.GroupOp, who record.Account) []byte {
	s := c.Next(op, p.Account, p.Devices[0].ID(), Now)
	s.Subject = who
	return s.Sign(p.Devices[0])
}

// Leave signs the statement by which the person leaves.
func (p *Person) Leave(c record.Chain) []byte {
	return c.Next(record.LeaveGroup, p.Account, p.Devices[0].ID(), Now).Sign(p.Devices[0])
}

// Remove signs the statement by which the person removes somebody.
func (p *Person) Remove(c record.Chain, who record.Account) []byte {
	return p.does(c, record.RemoveMember, who)
}

// Join signs the statement that lets the person in.
func (p *Person) Join(c record.Chain) []byte {
	return c.Next(record.JoinGroup, p.Account, p.Devices[0].ID(), Now).Sign(p.Devices[0])
}

// Rekey signs the statement that starts a group's next epoch.
func (p *Person) Rekey(c record.Chain) []byte {
	s := c.Next(record.Rekey, p.Account, p.Devices[0].ID(), Now)
	s.Commitment = record.Hash{2, byte(c.Epoch())}
	return s.Sign(p.Devices[0])
}
