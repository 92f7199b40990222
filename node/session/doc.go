// Package session holds all sessions with one peer device: it begins them by
// PQXDH, encrypts in the newest one, and opens messages of any that it still
// has, whichever side began it and in whatever order they come.
//
// It is not the ratchet (node/crypto/ratchet) and not the key agreement
// (node/crypto/pqxdh): it decides which of several sessions stands. It neither
// fetches bundles nor delivers: package node does, keeps the Record in
// node/store, and commits it in one transaction with the plaintext or before
// the envelope leaves the device. It is pure: a Record is a value, every call
// returns a new one, and an error leaves nothing changed.
//
// # Bytes of an envelope
//
//	version 1 || kind || [Initial] || ratchet message
//
// kind is 1 for a message of a session that both sides are known to have, and
// 2 for one that carries its session's Initial (pqxdh.InitialSize bytes) since
// the sender has not heard from the peer in it yet. All bytes before the ratchet
// message are authenticated with it. An envelope has at most wire.MaxEnvelope
// bytes; its content is padded by the ratchet.
//
// The associated data of a session binds both ends, in the order of their
// roles whoever sends:
//
//	"tryst session 1" || initiator || responder || envelope's bytes before the ratchet message
//	end = u32(len(account)) || account || u32(len(device)) || device || identity DH key[32]
//
// # Which session stands
//
// The session of the last message that opened is the active one, in which the
// next message goes out; one's own Begin makes a new active session. When both
// sides begin at once, both have both sessions, each opens what the other
// sends, and the first answer settles it. Up to MaxSessions are kept, so that
// messages which were under way still open.
//
// A prekey message begins a session once: the hashes of the Initials of all live
// sessions and of the last MaxEnded ended ones are remembered, and one-time
// prekeys are used up besides. Nobody but the peer can make an Initial, so
// nobody but the peer can push one out of that memory.
//
// # When a home was restored from a copy
//
// A device whose Record is an old copy uses message keys a second time; the seal's
// random salt keeps the keystreams apart. What it sends is then ErrDuplicate at the
// peer, under a message ID that the peer does not know, and what it gets is ErrOpen.
// Either way the receiver asks for a new session, and the sender's Begin makes up for
// it: there is nothing else to repair.
package session
