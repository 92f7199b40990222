// Package ratchet is the Double Ratchet with header encryption (Signal, "The
// Double Ratchet Algorithm", revision 1, section 4) between two devices: a key
// per message, forward secrecy, and recovery after a break-in.
//
// It is not a session: it does not know accounts, does not resend, and does not
// decide which of two sessions stands when both sides start at once. It reads
// no clock; node/session calls it, passes the time in, and stores the state
// together with the plaintext in one transaction.
//
// # Bytes of a message
//
//	sealed header[88] || sealed body[256 or more]
//	sealed header = seal(header key, role Header, no ad, no header, DH public[32] || u32 PN || u32 N)
//	sealed body   = seal(message key, role Message, ad, sealed header, padded plaintext)
//
// A header key lives as long as its chain, so a header is sealed under a subkey
// of it and a random 128-bit salt; that is what seal.Seal does. Nothing in a
// message is the same twice, and its length is one of the padded lengths.
//
// # Derivations
//
//	root step:    HKDF-SHA-256(salt = root key, DH output, "tryst ratchet root v1", 96)
//	              = root key || chain key || next header key
//	message key = HMAC-SHA-256(chain key, 0x01), next chain key = HMAC-SHA-256(chain key, 0x02)
//
// # Where it departs from the specification
//
//   - The sending half of a DH step waits until the next Encrypt, or until
//     Prepare does it while the node is idle. The keys are the same; receiving
//     costs one X25519 operation instead of three.
//   - A jump further than the number of kept keys is allowed (up to MaxForward);
//     the oldest keys are then given up. A session in which a thousand messages
//     expired goes on.
//   - The header keys of the last chains are remembered, so that a message that
//     comes twice is told from one that does not open.
package ratchet
