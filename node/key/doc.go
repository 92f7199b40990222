// Package key holds one opaque Go type for each role that a key plays in a node,
// so that the compiler refuses a key in the wrong place.
//
// A secret key cannot be compared with == (it does not compile; Equal takes
// constant time), and fmt and slog print a fixed word instead of it. Bytes
// reaches the secret on purpose, for storage under seal; Parse… takes it back.
// Public keys are comparable and print as a short fingerprint or as hex.
//
//	Identity, IdentityPublic  Ed25519, the account: signs its device log only
//	Device                    Ed25519, the libp2p key of one device
//	DH, DHPublic              X25519, agreement and ratchet
//	KEM, KEMPublic            ML-KEM-768, agreement
//	Message                   one sealed message (or one sealing under a fresh salt)
//	Chain                     a symmetric chain, which yields message keys
//	File                      one file's content
//	Epoch                     one epoch of a group
//	Store, Sync, Vault        the local store, the synchronised blob, the vault
//
// Keys are not wiped from memory: the Go runtime copies values as it likes, so a
// promise to do so would be empty.
//
// It is not a key store and not a key exchange: node/store keeps keys,
// node/crypto/... derives and uses them. Everything in node calls it. The
// package is pure but for the generators, which read crypto/rand.
package key
