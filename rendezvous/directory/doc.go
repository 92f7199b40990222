// Package directory is the replicated state machine of the rendezvous servers:
// accounts with their device logs, key bundles and one-time prekeys, groups
// with their membership chains, the mail that waits for devices of both, and on
// which terms people sign up.
//
// It is pure: commands in, results and events out, state in a Store that the
// caller brings. It knows nothing of Raft, connections or clocks, starts no
// goroutine, and gives the same answer to the same commands on every server.
// Package cluster feeds it the replicated log; the servers' request handlers
// query it. It believes no one: every record is verified as it is applied, so
// that no server can be talked into storing what a node would refuse.
//
// Mail is sealed for its recipients and comes with an ID of the sender's choice.
// What is written down beside it is who sent it to whom, its size, and when it
// expires. The sender is believed and not verified: it is whoever the server that took
// the letter spoke with, and may be of another shard. Beside it only the work before a
// sign-up is believed, which it takes a clock and the servers' key to check.
//
// Time comes from commands too, for a clock read while applying would differ from
// server to server: a Tick a minute moves the directory's own clock, which never
// goes back and makes no leaps.
//
// A command whose outcome was lost is simply proposed again. Each is
// idempotent by what it says, without a client's token: terms are set, an invitation
// is given out once and never again after it was used, a sign-up, a device
// entry or a statement that is already there word for word succeeds again, a
// prekey that was published once is not published twice, a start of a device is
// counted once, a tick too, a letter that still lies there is not put twice, and
// TakeKeys hands out another prekey, which costs one key and is safe where handing out the
// same one again would not be.
package directory
