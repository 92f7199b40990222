// Package keys draws the Ed25519 keys of devices and accounts that runs of the testnet
// make up. It is for what drives servers as a node does: packages crowd and linear.
package keys

import "crypto/ed25519"

// Key is an Ed25519 private key: a device's, or an account's identity.
type Key ed25519.PrivateKey

// New draws a key.
func New() Key {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return Key(private)
}

// Sign implements record.Signer.
func (k Key) Sign(message []byte) []byte { return ed25519.Sign(ed25519.PrivateKey(k), message) }

// Public returns the public half.
func (k Key) Public() ed25519.PublicKey { return ed25519.PrivateKey(k).Public().(ed25519.PublicKey) }
