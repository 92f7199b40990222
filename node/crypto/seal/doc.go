// Package seal encrypts and authenticates with suite 1: three-key 3DES in
// counter mode, over it AES-256 in counter mode under an independent key, then
// HMAC-SHA-256 over everything (encrypt-then-MAC). It also pads messages and
// seals files chunk by chunk.
//
// It is not a protocol: it knows no sessions, order or replay. The ratchet,
// the sender keys, the file transfer, the vault and the local store call it.
//
// # Bytes of a sealed message
//
//	salt[16] || ciphertext[len(plaintext)] || tag[32]
//
// The salt is fresh random bytes. With || for concatenation and u64 big-endian:
//
//	okm        = HKDF-Expand-SHA-256(key, "tryst seal" || suite || role || retry || salt, 112)
//	           = DES keys[24] || DES counter[8] || AES key[32] || AES counter[16] || MAC key[32]
//	ciphertext = AES-256-CTR(3DES-CTR(plaintext))
//	tag        = HMAC-SHA-256(MAC key, suite || role || u64(len(ad)) || u64(len(header)) ||
//	             u64(len(ciphertext)) || ad || header || salt || ciphertext)
//
// suite, role and retry are one byte each. retry starts at 0 and goes up by
// one while two of the three DES keys agree, parity bits aside. The low 20 bits
// of the DES counter are set to zero, so that it cannot wrap (package tdes).
// The header is authenticated, not encrypted and not part of the output: the
// caller sends it.
//
// # Bytes of a sealed file chunk
//
//	ciphertext[len(chunk)] || tag[32]
//
// as above with role FileChunk, no header, and in the place of the random salt
// the chunk's position: u64(index) || last (0 or 1) || 7 zero bytes. See Stream.
//
// # Why two ciphers
//
// 3DES alone gives 112 bits and a 64-bit block. Keystreams of independent keys
// are at least as hard to tell from random together as the better one alone,
// so confidentiality is AES-256's even if 3DES falls, and the reverse. The
// suite is bound into every key, and there is nothing to negotiate.
//
// # How often a key may be used
//
// Each sealing encrypts under keys of its own, so the 96 KiB that 3DES allows
// a key are a limit on one message, not on the key that Seal takes. A ratchet
// gives each message a key anyway; the salt is there so that a restored or
// copied home, which uses a message key again, repeats no keystream. A wrapping
// or header key may seal up to 2^40 messages: two of 2^40 random 128-bit salts
// meet with probability 2^-49.
package seal
