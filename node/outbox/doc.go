// Package outbox decides what becomes of messages that wait to be taken by a
// recipient's devices: what is due, when a failed attempt is repeated, what a
// refusal leads to, and what the sender may be told of a message as a whole.
//
// It is not a queue and not a sender: node/store keeps the entries on disk, in
// order, and package node delivers them. It is a pure state machine: entries
// and now in, entries out.
//
// There is one Entry for each message and recipient device:
//
//	queued --Delivered--> delivered
//	   |  ^--Failed, Later (with backoff), Renew (without its envelope)
//	   |--Stored--> stored --Delivered, Renew, as above
//	   '--Unknown, Blocked, too many renewals, too old--> expired, with a Reason
//
// A device's entries go out in order. The first one that is not due holds up all
// that follow: an entry that overtook another would arrive before it.
package outbox
