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
// It is not a session of its own: the libp2p connection authenticates the
// device, and the node owns the host. It keeps nothing on disk and pins no
// identity keys; that is the node's part. The node and the tests of the servers
// call it.
package client
