// Package cluster replicates a directory over rendezvous servers with Raft
// (hashicorp/raft): the log in raft-wal, the state in package badger, the
// connections as libp2p streams between servers that know each other by peer
// ID. One server alone is a cluster of one on the same code path.
//
// It decides nothing about accounts or groups, which is package directory's,
// and serves no node. The servers' assembly runs it: it proposes commands on
// any server, reads the directory, and hears of changes as events.
package cluster
