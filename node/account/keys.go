package account

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Keys are a device's rotating prekeys, and the counter that gives every prekey
// its ID. They are few and change once a week, so that they are stored as one
// value; one-time prekeys are not among them and are stored each alone, so that
// using one up writes nothing else. No call changes a Keys.
type Keys struct {
	// Generations holds the current pair of prekeys first, then those replaced,
	// newest first, while they still open messages.
	Generations []Generation
	// NextID is the ID of the next prekey of any kind. IDs start at 1, since 0
	// stands for none, and are not used again.
	NextID uint32
}

// Generation is one week's pair of prekeys.
type Generation struct {
	SignedID     uint32
	Signed       key.DH
	LastResortID uint32
	LastResort   key.KEM
	Made         time.Time
}

// OneTime is a private one-time prekey pair. It is deleted with the message that
// uses it.
type OneTime struct {
	ID  uint32
	DH  key.DH
	KEM key.KEM
}

// NewKeys returns a device's first keys.
func NewKeys(now time.Time) Keys {
	return Keys{NextID: 1}.renewed(now)
}

// Rotate returns the keys with a new generation once the current one is
// RotateAfter old, without those beyond KeyLifetime, and tells whether anything
// changed: then the bundle is published anew. Call it daily. Keys made as long
// after now are replaced too: the clock was wrong then, and would hold the
// rotation up until it is right.
func (k Keys) Rotate(now time.Time) (Keys, bool) {
	if len(k.Generations) > 0 && now.Sub(k.Generations[0].Made).Abs() < RotateAfter {
		return k, false
	}
	return k.renewed(now), true
}

// Renew returns the keys of a device whose home has gone back to an older state: a
// new generation, and IDs above all that were given out in the state that was lost.
// highest is the highest ID of a one-time prekey that the directory ever took. Since
// every kind has its IDs from one counter, and a new generation is published together
// with one-time prekeys that come after it, what the directory or a peer knows of the
// lost state is below highest, but for what was made last and did not get there: the
// jump is far wider than that. The generations that are here stay: who has taken the
// older bundle may still begin a session with it.
//
// The private one-time prekeys are to be forgotten: the lost state has used some.
func (k Keys) Renew(highest uint32, now time.Time) Keys {
	return Keys{Generations: k.Generations, NextID: max(k.NextID, highest) + renewalJump}.renewed(now)
}

func (k Keys) renewed(now time.Time) Keys {
	next := Keys{NextID: k.NextID}
	fresh := Generation{Signed: key.NewDH(), LastResort: key.NewKEM(), Made: now}
	fresh.SignedID = next.takeID()
	fresh.LastResortID = next.takeID()
	next.Generations = []Generation{fresh}
	for i, old := range k.Generations {
		// An old generation was in use until the one before it in the list was made.
		replaced := now
		if i > 0 {
			replaced = k.Generations[i-1].Made
		}
		if now.Sub(replaced) < KeyLifetime && len(next.Generations) < maxGenerations {
			next.Generations = append(next.Generations, old)
		}
	}
	return next
}

// takeID is for values that are not shared yet. At 100 one-time prekeys a minute
// 2^32 IDs last for eighty years.
func (k *Keys) takeID() uint32 {
	id := k.NextID
	k.NextID++
	return id
}

// Bundle returns the device's key bundle for the directory, signed by the
// device key. identity is the device's identity key.
func (k Keys) Bundle(account record.Account, device peer.ID, identity key.DHPublic, now time.Time, signer record.Signer) []byte {
	g := k.Generations[0]
	b := record.Bundle{
		Account: account, Device: device, Suite: seal.Suite,
		SignedPrekeyID: g.SignedID, LastResortID: g.LastResortID, At: now,
	}
	copy(b.IdentityDH[:], identity.Bytes())
	copy(b.SignedPrekey[:], g.Signed.Public().Bytes())
	copy(b.LastResort[:], g.LastResort.Public().Bytes())
	return b.Sign(signer)
}

// Refill returns n fresh one-time prekeys: the private halves to store together
// with the keys, before the signed public ones go to the directory. n is at most
// record.MaxPrekeys.
func (k Keys) Refill(n int, device peer.ID, signer record.Signer) (next Keys, private []OneTime, signed [][]byte) {
	next = Keys{Generations: k.Generations, NextID: k.NextID}
	for range min(n, record.MaxPrekeys) {
		pair := OneTime{ID: next.takeID(), DH: key.NewDH(), KEM: key.NewKEM()}
		public := record.OneTimePrekey{Device: device, ID: pair.ID}
		copy(public.DH[:], pair.DH.Public().Bytes())
		copy(public.KEM[:], pair.KEM.Public().Bytes())
		private = append(private, pair)
		signed = append(signed, public.Sign(signer))
	}
	return next, private, signed
}

// SignedPrekey finds a signed prekey by ID. With LastResort it is two thirds of
// session.Prekeys; the store, which has the one-time prekeys, is all of it.
func (k Keys) SignedPrekey(id uint32) (key.DH, bool) {
	i := slices.IndexFunc(k.Generations, func(g Generation) bool { return g.SignedID == id })
	if i < 0 {
		return key.DH{}, false
	}
	return k.Generations[i].Signed, true
}

// LastResort finds a last-resort prekey by ID.
func (k Keys) LastResort(id uint32) (key.KEM, bool) {
	i := slices.IndexFunc(k.Generations, func(g Generation) bool { return g.LastResortID == id })
	if i < 0 {
		return key.KEM{}, false
	}
	return k.Generations[i].LastResort, true
}
