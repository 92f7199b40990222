package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// Server is a member of the cluster.
type Server struct {
	ID   peer.ID
	Name string // unique
	// Addresses are where the others reach it, without /p2p/. None means that the
	// host's peerstore knows.
	Addresses []ma.Multiaddr
}

// Config says who a server is and with whom it replicates. All but OnApply and
// Free must be set.
type Config struct {
	// Host is this server; the cluster dials the others by itself.
	Host host.Host
	// Dir is the folder for log and state, made if it is not there.
	Dir string
	// Servers are the members to begin with, this one among them, the same list
	// on all of them. Once there is state, the membership in it counts.
	Servers []Server
	// Bootstrap starts a new cluster of Servers if Dir holds no state. All
	// first members may do so at once, since they start from the same list; a
	// server that is added to a running cluster must not: it asks to be let in (see
	// Admit).
	Bootstrap bool
	Logger    *slog.Logger
	// OnApply is told what every applied command changed, in order, on every
	// server, and must return at once. May be nil.
	OnApply func([]directory.Event)
	// OnMembers is told that the members may have changed, and must return at once.
	// May be nil.
	OnMembers func()
	// Vouched says of a server that this one does not know as a member that it may
	// speak all the same: that it has a certificate and was not taken out. It must
	// return at once. May be nil: nobody is.
	Vouched func(peer.ID) bool
	// Free tells how many bytes may still be written to the disk that Dir lies on. May
	// be nil, and fail, where that is not known.
	Free func() (uint64, error)

	elections time.Duration // electionTimeout unless a test wants none by chance
	patience  time.Duration // leaderPatience unless a test runs on a busy machine
	tick      time.Duration // tickInterval unless a test is in a hurry
	ending    time.Duration // shutdownTimeout unless a test is in a hurry
}

func (c *Config) validate() error {
	switch {
	case c.Host == nil || c.Logger == nil || c.Dir == "":
		return errors.New("cluster: config: Host, Logger and Dir must be set")
	case len(c.Servers) == 0:
		return errors.New("cluster: config: no servers")
	case c.Bootstrap && !slices.ContainsFunc(c.Servers, func(s Server) bool { return s.ID == c.Host.ID() }):
		return fmt.Errorf("cluster: config: %s is not among the servers", c.Host.ID())
	}
	return nil
}

// first is the configuration that a new cluster starts from: in one order, so
// that all members write the same first entry.
func (c *Config) first() raft.Configuration {
	var servers []raft.Server
	for _, s := range c.Servers {
		servers = append(servers, raft.Server{ID: serverID(s.ID), Address: s.address()})
	}
	slices.SortFunc(servers, func(a, b raft.Server) int { return cmp.Compare(a.ID, b.ID) })
	return raft.Configuration{Servers: servers}
}

// raft returns Raft's own configuration.
func (c *Config) raft(logger *slog.Logger) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = serverID(c.Host.ID())
	conf.HeartbeatTimeout = cmp.Or(c.elections, electionTimeout)
	conf.ElectionTimeout = conf.HeartbeatTimeout
	conf.LeaderLeaseTimeout = conf.HeartbeatTimeout - (electionTimeout - leaseTimeout)
	conf.CommitTimeout = commitTimeout
	conf.MaxAppendEntries = maxBatch
	conf.BatchApplyCh = true
	conf.SnapshotThreshold = snapshotThreshold
	conf.SnapshotInterval = snapshotInterval
	conf.TrailingLogs = trailingLogs
	conf.NoSnapshotRestoreOnStart = true // the state is in Badger already
	conf.NoLegacyTelemetry = true
	conf.Logger = hclogTo(logger)
	return conf
}
