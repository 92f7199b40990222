// Package pqxdh is the PQXDH key agreement (Signal, "The PQXDH Key Agreement
// Protocol", revision 3) with X25519, SHA-256 and ML-KEM-768: a device that
// holds another's prekey bundle agrees on a secret with it while it is away.
//
// It is not a session and verifies no signature: whoever calls Initiate has
// checked the bundle's signature and the device's place in its account's log
// (rendezvous/record). node/session calls it and hands the Secret to
// node/crypto/ratchet.
//
// # Derivation
//
// With A the initiator, B the responder, IK identity, EK ephemeral, SPK signed
// prekey, OPK one-time prekey:
//
//	DH1 = DH(IK_A, SPK_B)  DH2 = DH(EK_A, IK_B)  DH3 = DH(EK_A, SPK_B)  DH4 = DH(EK_A, OPK_B)
//	(CT, SS) = Encapsulate(one-time KEM prekey, else last-resort KEM prekey)
//	KM  = DH1 || DH2 || DH3 || [DH4] || SS
//	PRK = HKDF-Extract-SHA-256(salt = 32 zero bytes, 32 bytes 0xff || KM)
//	OKM = HKDF-Expand-SHA-256(PRK, "tryst pqxdh v1_CURVE25519_SHA-256_ML-KEM-768" || SHA-256(transcript), 96)
//	    = root key || header key of A || header key of B
//
// The transcript holds everything that both sides must agree on:
//
//	Initial (all of it) || IK_B || SPK_B || OPK_B or 32 zero bytes ||
//	KEM public key || u64(len(ad)) || ad
//
// So the identity keys, which the specification puts into the associated data,
// and the KEM public key, which it wants bound against re-encapsulation
// (section 4.12), enter the keys themselves; a difference shows as a first
// message that does not open. ad is the caller's: accounts, device IDs and
// account identity keys of both.
package pqxdh
