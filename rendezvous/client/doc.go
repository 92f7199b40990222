// Package client is what a node uses of the rendezvous servers: a typed call
// for every request, and a stream of notices.
//
// A Client keeps one link: it asks a balancer for a server, believes the answer
// only with a certificate that the cluster key signed, connects (directly, or
// through a circuit over the balancer), and when the server dies finds another.
// Calls wait for a link and are tried again elsewhere, which is safe because
// every command of the directory is idempotent. Whatever comes back signed is
// verified here, so that its callers hold values and not claims. KeepRelayed
// makes the device reachable through the balancers.
//
// # What answers promise
//
// Linearizable (there is one order of all such requests, in which each takes effect
// at a moment between its call and its return):
//
//   - everything that changes the directory: SignUp, AppendDevice, PublishKeys,
//     TakeKeys, BeginGeneration, AppendGroup, SetContacts, PutMail, PutGroupMail;
//   - FetchMail and FetchGroupMail where they remove something: they then find all
//     that there is;
//   - answers that there is no such thing: wire.ErrNameTaken before a password is
//     spent, wire.ErrInvitation, wire.ErrNoAccount of LookUp, wire.ErrNoGroup of GroupByName and
//     GroupByID, wire.ErrNotLoggedIn; and the start of a login.
//
// As new as this Client has seen: all other reads. What they find was true at some
// time, and is no older than what the same Client was answered or wrote before,
// whichever server that was at; another Client may have seen something newer. (Each
// answer carries the index of the directory that it was made from, and each request
// the highest that was seen, which the server waits for.)
//
// Neither: presence (FindPeers, notices), which is soft state that servers tell each
// other.
//
// A call that ends with its context (ErrOffline) leaves open whether it had an effect,
// or will have one. Because a Client tries again, and a server does, a request may take
// effect more than once. That is harmless for all but these: a prekey may be taken that
// nobody gets, and a letter that was put and taken may come again under another number;
// who receives letters knows them by their IDs.
//
// Package testnet/linear tries to break this.
//
// It is not a session of its own: the libp2p connection authenticates the
// device, and the node owns the host. It keeps nothing on disk and pins no
// identity keys; that is the node's part. The node and the tests of the servers
// call it.
package client
