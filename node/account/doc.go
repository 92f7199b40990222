// Package account knows accounts: the contacts of this one, whose identity keys
// are pinned and whose device logs may only grow; the vault, in which the own
// identity key waits in the directory for the next login; and the stock of
// prekeys with which others begin sessions with this device.
//
// It is not the directory's view (rendezvous/directory) and not a store: it
// judges what servers and peers claim, bytes and now in, values out. Package
// node asks it and keeps its values in node/store. It is pure, but for fresh
// keys from crypto/rand.
package account
