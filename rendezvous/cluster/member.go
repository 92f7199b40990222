package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/raft"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// Member is a server as the cluster's log has it.
type Member struct {
	Server
	Voter bool // false while it catches up
}

// A server's Raft ID is its peer ID. Its Raft address is what the others have to
// know to find it, so that this is replicated with the membership itself and stands
// in no file that would have to be changed on every machine:
//
//	s1=/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW...,/ip6/.../p2p/12D3KooW...
//
// or the peer ID alone, where libp2p is told otherwise.
func serverID(id peer.ID) raft.ServerID { return raft.ServerID(id.String()) }

func (s Server) address() raft.ServerAddress {
	if len(s.Addresses) == 0 {
		return raft.ServerAddress(s.ID.String())
	}
	texts := make([]string, len(s.Addresses))
	for i, addr := range s.Addresses {
		texts[i] = addr.String() + "/p2p/" + s.ID.String()
	}
	return raft.ServerAddress(s.Name + "=" + strings.Join(texts, ","))
}

// parseAddress is the reverse of Server.address.
func parseAddress(address raft.ServerAddress) (Server, error) {
	name, list, named := strings.Cut(string(address), "=")
	if !named {
		id, err := peer.Decode(string(address))
		if err != nil {
			return Server{}, fmt.Errorf("cluster: server address: %w", err)
		}
		return Server{ID: id}, nil
	}
	s := Server{Name: name}
	for text := range strings.SplitSeq(list, ",") {
		whole, err := ma.NewMultiaddr(text)
		if err != nil {
			return Server{}, fmt.Errorf("cluster: server address: %w", err)
		}
		addr, id := peer.SplitAddr(whole)
		if id == "" || addr == nil || s.ID != "" && s.ID != id {
			return Server{}, fmt.Errorf("cluster: server address %q is not one server's", address)
		}
		s.ID, s.Addresses = id, append(s.Addresses, addr)
	}
	return s, nil
}

// Members returns who belongs to the cluster, as far as this server's log tells; a
// server that has just been made and waits to be let in knows of nobody.
func (c *Cluster) Members() []Member {
	r := c.running()
	if r == nil {
		return nil
	}
	return membersOf(r)
}

func membersOf(r *raft.Raft) []Member {
	future := r.GetConfiguration()
	if future.Error() != nil {
		return nil
	}
	var members []Member
	for _, s := range future.Configuration().Servers {
		one, err := parseAddress(s.Address)
		if err != nil || serverID(one.ID) != s.ID {
			continue // not written by this program
		}
		members = append(members, Member{Server: one, Voter: s.Suffrage == raft.Voter})
	}
	return members
}

// member reports whether a peer may speak as a server. Who belongs to the cluster
// may; where there is no log yet, those that it begins with; and whoever the caller
// vouches for, since a server may be behind and not know yet who leads it.
func (c *Cluster) member(id peer.ID) bool {
	members := c.Members()
	if slices.ContainsFunc(members, func(m Member) bool { return m.ID == id }) {
		return true
	}
	if len(members) == 0 && slices.ContainsFunc(c.cfg.Servers, func(s Server) bool { return s.ID == id }) {
		return true
	}
	return c.cfg.Vouched(id)
}

func voters(members []Member) int {
	n := 0
	for _, m := range members {
		if m.Voter {
			n++
		}
	}
	return n
}
