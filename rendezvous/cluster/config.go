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

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// Server is a member of the cluster.
type Server struct {
	ID   peer.ID
	Name string // for logs
}

// Config says who a server is and with whom it replicates. All but OnApply
// must be set.
type Config struct {
	// Host is this server. Its peerstore must hold the other servers' direct
	// addresses; the cluster dials them by itself.
	Host host.Host
	// Dir is the folder for log and state, made if it is not there.
	Dir string
	// Servers are the members to begin with, this one among them, the same list
	// on all of them. Once there is state, the membership in it counts.
	Servers []Server
	// Bootstrap starts a new cluster of Servers if Dir holds no state. All
	// first members may do so at once, since they start from the same list; a
	// server that is added to a running cluster must not.
	Bootstrap bool
	Logger    *slog.Logger
	// OnApply is told what every applied command changed, in order, on every
	// server, and must return at once. May be nil.
	OnApply func([]directory.Event)

	elections time.Duration // electionTimeout unless a test wants none by chance
	tick      time.Duration // tickInterval unless a test is in a hurry
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
		servers = append(servers, raft.Server{ID: serverID(s.ID), Address: serverAddress(s.ID)})
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

// A server's Raft ID and address are its peer ID; where it is, libp2p knows.
func serverID(id peer.ID) raft.ServerID           { return raft.ServerID(id.String()) }
func serverAddress(id peer.ID) raft.ServerAddress { return raft.ServerAddress(id.String()) }
