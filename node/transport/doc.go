// Package transport is the libp2p side of a node: its host, the message streams
// to other devices, the streams that files travel on, and the GossipSub topics
// of groups.
//
// It is not a protocol of its own: it moves bytes that packages session, group
// and transfer made, and never looks inside them. It knows no store, no rendezvous
// server and no policy; who is a member of what and whose hello is believed, it
// asks its caller, package node, and nobody else calls it.
//
// # Message streams
//
// Two devices keep one long-lived stream each way (/tryst/message/1.0.0). The
// side that opened it sends a Hello, then Deliveries; the other side answers with
// its own Hello, then Receipts. Only an answered Hello means "connected": a
// libp2p dial can succeed though the other side refuses. Receipts are what says
// that a message is on the other side's disk; libp2p's Close promises nothing.
//
// # Group sync
//
// What a topic lost, or a device was not there for, it asks another member for over
// a stream of its own, one a request (/tryst/group-sync/1.0.0).
//
// # Topics
//
// See gate.go for who gets to see pubsub at all, and Topics for what makes sure
// that a topic's messages reach its members and nobody else.
package transport
