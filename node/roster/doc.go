// Package roster is whom an account lets in: whether those that it does not know may
// write or have to ask first, and whom it has accepted or blocked. The servers keep it
// for the account and enforce what they can; each device keeps it too, enforces it
// when no server is there, and changes it without one. A Roster is both: what the
// servers had at some version, and what was changed here since. However the devices
// of an account change it, and in whatever order they meet the servers, they end with
// the same (a later word on the same account wins).
//
// It also says how much of strangers may wait for the person's word.
//
// It is not who those accounts are: that is package account. It is pure: package node
// asks and applies it, node/store keeps it.
package roster
