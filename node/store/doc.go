// Package store keeps one account's state on one device: keys, contacts,
// sessions, the outbox, conversations, groups and transfers, in an encrypted
// Badger database below one folder.
//
// It is not a cache and decides nothing: the pure packages make the values,
// package node composes them, and only node calls this package. Messages in the
// outbox and in a conversation lie here in the clear of the store's own
// encryption.
//
// # The folder
//
//	key   the random store key, wrapped under Argon2id(password); made last
//	db/   Badger, encrypted under the store key
//	lock  held by the process that has the store open
//
// Badger's encryption (AES-256 in counter mode) hides what the files hold from
// whoever takes the device; it does not show that somebody changed them, or put
// an older copy of the folder in place.
//
// # Durability
//
// Update returns once its writes are on the disk. Since a sync costs most of
// it, all Updates that wait at one time share a transaction: see Store.Update.
//
// The schema is that of store.proto, apart from the wire's, and schema.go's list
// of rows. Values that have a canonical form of their own (sessions, groups,
// transfers) are kept as that.
package store
