// Package causal decides when a group's messages are shown: each sender's in the order
// in which they were sent, and none before those that its writer had read when it was
// written. A message that comes too early waits for those that are missing; not for
// ever, and the wait is seen.
//
// It is not a store and opens nothing: it knows messages by their places, a sender
// chain (package senderkey) and a number in it. It is a pure state machine, called by
// package node: places and now in, places out. What the messages say, the caller keeps.
package causal
