package rendezvous

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/cluster"
)

// roster is what a server has heard of others beside what the cluster's log says.
// It lives in memory only: all of it is said again.
type roster struct {
	mu      sync.Mutex
	told    []cluster.Member     // who belongs to the cluster, in another server's words
	leader  peer.ID              // the same
	vouched map[peer.ID]struct{} // who has shown a certificate
}

// maxVouched bounds the servers whose certificates are remembered: more than a cluster
// ever had. All of them were signed by the operator.
const maxVouched = 1024

func (r *roster) vouch(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.vouched == nil || len(r.vouched) >= maxVouched {
		r.vouched = make(map[peer.ID]struct{})
	}
	r.vouched[id] = struct{}{}
}

func (r *roster) isVouched(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.vouched[id]
	return ok
}

func (r *roster) learn(members []cluster.Member, leader peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(members) > 0 {
		r.told = members
	}
	r.leader = leader
}

func (r *roster) heard() ([]cluster.Member, peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told, r.leader // told is replaced as a whole
}

// first are the servers that this one's folder names.
func (s *Server) first() []cluster.Member {
	var members []cluster.Member
	for _, p := range s.cfg.Server.Servers {
		members = append(members, cluster.Member{
			Server: cluster.Server{ID: p.ID, Name: p.Name, Addresses: p.Addresses}, Voter: true,
		})
	}
	return members
}

// members are the servers of the cluster: those of its log; before there is one, what
// others said, and before that what the folder says.
func (s *Server) members() []cluster.Member {
	if members := s.cluster.Members(); len(members) > 0 {
		return members
	}
	if told, _ := s.roster.heard(); len(told) > 0 {
		return told
	}
	return s.first()
}

// others are the members without this server.
func (s *Server) others() []cluster.Member {
	return slices.DeleteFunc(slices.Clone(s.members()), func(m cluster.Member) bool { return m.ID == s.ID() })
}

// contacts are all servers that could be asked who belongs to the cluster, other than
// this one; whoever leads, as far as is known, comes first. A server that was away
// for long may know none of those any more that are there now but by its folder, or
// the other way round.
func (s *Server) contacts() []cluster.Server {
	told, leader := s.roster.heard()
	if led, ok := s.cluster.Leader(); ok {
		leader = led
	}
	var contacts []cluster.Server
	for _, m := range slices.Concat(s.cluster.Members(), told, s.first()) {
		known := slices.ContainsFunc(contacts, func(c cluster.Server) bool { return c.ID == m.ID })
		switch {
		case m.ID == s.ID() || known:
		case m.ID == leader:
			contacts = slices.Insert(contacts, 0, m.Server)
		default:
			contacts = append(contacts, m.Server)
		}
	}
	return contacts
}

// vouchFor says of a server that the log does not name that it may speak: it has shown
// its certificate and was not taken out.
func (s *Server) vouchFor(id peer.ID) bool {
	if !s.roster.isVouched(id) {
		return false
	}
	retired, err := s.cluster.Directory().Retired(id)
	return err == nil && !retired
}

// nameOf returns what the operator calls a server; its peer ID if nothing.
func (s *Server) nameOf(id peer.ID) string {
	for _, m := range slices.Concat(s.members(), s.first()) {
		if m.ID == id && m.Name != "" {
			return m.Name
		}
	}
	return id.String()
}

// meet makes the members known to all parts that talk to them.
func (s *Server) meet() error {
	ids := []peer.ID{s.ID()}
	for _, m := range s.others() {
		ids = append(ids, m.ID)
		if err := s.introduce(m.Server); err != nil {
			return err
		}
	}
	s.presence.Follow(ids)
	return nil
}
