package rendezvous

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous/clock"
	"github.com/tryst-chat/tryst/rendezvous/cluster"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// ErrRetired ends a server that was taken out of the cluster.
var ErrRetired = errors.New("rendezvous: this server was taken out of the cluster, for good; to have another one, make its folder with: rendezvous add")

// refusedError is why a change of the membership is not made, in a sentence for the
// operator. Asking another server would not change it.
type refusedError struct{ sentence string }

func (e *refusedError) Error() string { return e.sentence }

// Codes of pb.ServerError. They are appended to, never renumbered.
const (
	codeElsewhere = 1 // ask the leader, or again
	codeRetired   = 2
	codeRefused   = 3 // the detail says why
	codeNoMember  = 4
)

func toServerError(err error) *pb.ServerError {
	var refused *refusedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRetired), errors.Is(err, cluster.ErrRetired):
		return &pb.ServerError{Code: codeRetired}
	case errors.Is(err, cluster.ErrNoMember):
		return &pb.ServerError{Code: codeNoMember}
	case errors.As(err, &refused), errors.Is(err, cluster.ErrName), errors.Is(err, cluster.ErrLast):
		return &pb.ServerError{Code: codeRefused, Detail: err.Error()}
	default:
		return &pb.ServerError{Code: codeElsewhere, Detail: err.Error()}
	}
}

func fromServerError(e *pb.ServerError) error {
	switch {
	case e == nil:
		return nil
	case e.GetCode() == codeRetired:
		return ErrRetired
	case e.GetCode() == codeNoMember:
		return cluster.ErrNoMember
	case e.GetCode() == codeRefused:
		return &refusedError{e.GetDetail()}
	default:
		return fmt.Errorf("%w: %s", cluster.ErrNotLeader, e.GetDetail())
	}
}

// serveMembers answers another server's question.
func (s *Server) serveMembers(ctx context.Context, stream network.Stream) {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { stream.Reset() })
	defer stop()
	req := new(pb.ServerRequest)
	if err := wire.NewReader(stream, maxMembers).Read(req); err != nil {
		stream.Reset()
		return
	}
	reply := s.answerServer(ctx, stream.Conn().RemotePeer(), req)
	reply.Clock = time.Now().UnixMilli() // beside any refusal: the clock may be the reason for it
	if err := wire.WriteFrame(stream, reply); err != nil {
		stream.Reset()
		return
	}
	stream.Close()
}

// answerServer answers a server that shows its certificate, and nobody else.
func (s *Server) answerServer(ctx context.Context, from peer.ID, req *pb.ServerRequest) *pb.ServerReply {
	certificate, err := record.VerifyCertificate(req.GetCertificate(), s.cfg.Server.ClusterKey, time.Now())
	if err == nil && certificate.Server != from {
		err = errors.New("the certificate is another server's")
	}
	if err != nil {
		s.log.Warn("a server was refused", "peer", from, "err", err)
		return &pb.ServerReply{Error: toServerError(&refusedError{fmt.Sprintf("its certificate does not hold: %v", err)})}
	}
	reply := new(pb.ServerReply)
	if err := s.sameDirectory(req); err != nil {
		return &pb.ServerReply{Error: toServerError(err), Certificate: s.cfg.Server.Certificate}
	}
	s.roster.vouch(from)
	switch m := req.GetKind().(type) {
	case *pb.ServerRequest_Remove:
		err = s.takeOut(ctx, from, peer.ID(m.Remove.GetServer()), m.Remove.GetCheck())
	case *pb.ServerRequest_Join:
		err = s.admit(ctx, certificate, m.Join)
	case *pb.ServerRequest_Describe:
		var status Status
		if status, err = s.Status(); err == nil {
			reply.Status, err = json.Marshal(status)
		}
	default:
		err = &refusedError{"this server does not know the question; is it of an older version?"}
	}
	reply.Error, reply.Certificate = toServerError(err), s.cfg.Server.Certificate
	leader, _ := s.cluster.Leader()
	reply.Leader = []byte(leader)
	for _, m := range s.members() {
		reply.Servers = append(reply.Servers, &pb.Member{
			Server: []byte(m.ID), Name: m.Name, Addresses: texts(m.Addresses), Voter: m.Voter,
		})
	}
	return reply
}

// sameDirectory refuses a server that goes on with what this cluster was before a
// backup was put back: the two would take each other's word for their own.
func (s *Server) sameDirectory(req *pb.ServerRequest) error {
	blank := req.GetJoin() != nil && req.GetJoin().GetApplied() == 0
	epoch, err := s.cluster.Directory().Epoch()
	if err != nil || blank || bytes.Equal(epoch, req.GetEpoch()) {
		return err
	}
	if s.cluster.Directory().AppliedIndex() == 0 {
		return cluster.ErrNotLeader // it has yet to hear of anything
	}
	return ErrRetired
}

func texts(addrs []ma.Multiaddr) []string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return texts
}

// admit lets a server in, or notes where it is now.
func (s *Server) admit(ctx context.Context, certificate record.Certificate, m *pb.Join) error {
	addrs, err := parseAddresses(m.GetAddresses())
	if err != nil || len(addrs) == 0 {
		return errors.Join(&refusedError{"its addresses are none"}, err)
	}
	return s.cluster.Admit(ctx, cluster.Server{ID: certificate.Server, Name: certificate.Name, Addresses: addrs}, m.GetApplied())
}

func parseAddresses(texts []string) ([]ma.Multiaddr, error) {
	if len(texts) > maxServerAddrs {
		return nil, fmt.Errorf("%d addresses, at most %d", len(texts), maxServerAddrs)
	}
	var addrs []ma.Multiaddr
	for _, text := range texts {
		addr, err := ma.NewMultiaddr(text)
		if err != nil || len(text) > maxServerAddr {
			return nil, fmt.Errorf("%.*q is not an address", maxServerAddr, text)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// takeOut takes a server out if the rest can go on without it; check only asks that.
// Any member may ask it, and anybody for itself.
func (s *Server) takeOut(ctx context.Context, from, id peer.ID, check bool) error {
	if from != id && !slices.ContainsFunc(s.cluster.Members(), func(m cluster.Member) bool { return m.ID == from }) {
		return &refusedError{"only members of the cluster may take others out"}
	}
	if leader, ok := s.cluster.Leader(); !ok || leader != s.ID() {
		return cluster.ErrNotLeader
	}
	if err := s.dispensable(ctx, id); err != nil || check {
		return err
	}
	return s.cluster.Remove(ctx, id)
}

// dispensable refuses to take out a server without which no majority of the others
// would be there: nothing could be changed any more, not even that.
func (s *Server) dispensable(ctx context.Context, id peer.ID) error {
	members := s.cluster.Members()
	at := slices.IndexFunc(members, func(m cluster.Member) bool { return m.ID == id })
	if at < 0 {
		return cluster.ErrNoMember
	}
	if !members[at].Voter {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(members), func(m cluster.Member) bool { return m.ID == id || !m.Voter })
	if len(rest) == 0 {
		return &refusedError{fmt.Sprintf("%s is the only server: without it everything would be lost; to end the cluster, stop it and delete its folder", members[at].Name)}
	}
	answers, needed := 0, len(rest)/2+1
	for _, status := range s.describe(ctx, rest) {
		if status.Answers {
			answers++
		}
	}
	if answers < needed {
		return &refusedError{fmt.Sprintf("without %s there are %d servers, of which %d must answer and %d do; start the others first, or remove one that is gone for good",
			members[at].Name, len(rest), needed, answers)}
	}
	return nil
}

// describe asks members how they are, all at once. Of one that does not answer there
// is only who it is.
func (s *Server) describe(ctx context.Context, members []cluster.Member) []Status {
	found := make([]Status, len(members))
	var asking sync.WaitGroup
	for i, m := range members {
		asking.Go(func() {
			found[i] = Status{Name: m.Name, Peer: m.ID.String(), Voter: m.Voter, Obstacle: "it does not answer"}
			if m.ID == s.ID() {
				if status, err := s.Status(); err == nil {
					found[i] = status
				}
				return
			}
			ctx, cancel := context.WithTimeout(ctx, describeTimeout)
			defer cancel()
			reply, err := s.askServer(ctx, m.Server, &pb.ServerRequest{Kind: &pb.ServerRequest_Describe{Describe: &pb.Describe{}}})
			var status Status
			if err == nil && json.Unmarshal(reply.GetStatus(), &status) == nil {
				status.Answers = true
				found[i] = status
			}
		})
	}
	asking.Wait()
	return found
}

// askServer asks one other server, and learns from the answer who belongs to the
// cluster.
func (s *Server) askServer(ctx context.Context, server cluster.Server, req *pb.ServerRequest) (*pb.ServerReply, error) {
	if err := s.sign(req); err != nil {
		return nil, err
	}
	if err := s.introduce(server); err != nil {
		return nil, err
	}
	stream, err := s.host.NewStream(network.WithForceDirectDial(ctx, "servers"), server.ID, wire.Servers)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { stream.Reset() })
	defer func() { stop(); stream.Reset() }()
	sent := time.Now()
	if err := wire.WriteFrame(stream, req); err != nil {
		return nil, err
	}
	reply := new(pb.ServerReply)
	if err := wire.NewReader(stream, maxMembers).Read(reply); err != nil {
		return nil, err
	}
	// Before its certificate is looked at, which may not be of this time by a wrong clock.
	if there, received := reply.GetClock(), time.Now(); there != 0 { // an older version does not say
		s.clocks.hear(server.ID, clock.Measure(sent, time.UnixMilli(there), received), received)
	}
	// Even who speaks under a key that the folder or the log names shows that it is
	// certified, since what it says is believed.
	certificate, err := record.VerifyCertificate(reply.GetCertificate(), s.cfg.Server.ClusterKey, time.Now())
	if err != nil || certificate.Server != server.ID {
		return nil, errors.Join(fromServerError(reply.GetError()), err)
	}
	s.roster.vouch(server.ID)
	s.learn(reply)
	return reply, fromServerError(reply.GetError())
}

// sign says in a request who asks.
func (s *Server) sign(req *pb.ServerRequest) (err error) {
	req.Certificate = s.cfg.Server.Certificate
	req.Epoch, err = s.cluster.Directory().Epoch()
	return err
}

func (s *Server) learn(reply *pb.ServerReply) {
	var members []cluster.Member
	for _, m := range reply.GetServers() {
		addrs, err := parseAddresses(m.GetAddresses())
		id, idErr := peer.IDFromBytes(m.GetServer())
		if err != nil || idErr != nil {
			continue // of a version that says it in another way
		}
		members = append(members, cluster.Member{
			Server: cluster.Server{ID: id, Name: m.GetName(), Addresses: addrs}, Voter: m.GetVoter(),
		})
	}
	s.roster.learn(members, peer.ID(reply.GetLeader()))
}

// askLeader has the leader do something, whoever that is, and tries again until ctx
// ends.
func (s *Server) askLeader(ctx context.Context, req *pb.ServerRequest) error {
	for {
		err := s.askAround(ctx, req)
		if err == nil || final(err) {
			return err
		}
		select {
		case <-time.After(memberPause):
		case <-ctx.Done():
			return err
		}
	}
}

// askAround asks this server if it leads, and everybody that it knows, once.
func (s *Server) askAround(ctx context.Context, req *pb.ServerRequest) error {
	if leader, ok := s.cluster.Leader(); ok && leader == s.ID() {
		if err := s.sign(req); err != nil {
			return err
		}
		if err := fromServerError(s.answerServer(ctx, s.ID(), req).GetError()); err == nil || final(err) {
			return err
		}
	}
	err := fmt.Errorf("%w that answers", cluster.ErrNotLeader)
	for _, server := range s.contacts() {
		asking, cancel := context.WithTimeout(ctx, memberTimeout)
		_, err = s.askServer(asking, server, req)
		cancel()
		if err == nil || final(err) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// final errors are the leader's word.
func final(err error) bool {
	var refused *refusedError
	return errors.Is(err, ErrRetired) || errors.Is(err, cluster.ErrNoMember) || errors.As(err, &refused)
}

// keepMembership belongs to the cluster until ctx ends: it asks to be let in, and
// says where it is when it has moved; it makes the members known to each other as
// they come and go; and it returns ErrRetired when this server was taken out, and another
// error when its clock is wrong.
func (s *Server) keepMembership(ctx context.Context) error {
	ticker := time.NewTicker(memberInterval)
	defer ticker.Stop()
	said, begun := "", false
	for {
		if err := s.meet(); err != nil {
			return err
		}
		if !begun && len(s.cluster.Members()) > 0 {
			if err := s.cfg.begun(); err != nil {
				return fmt.Errorf("rendezvous: note that there is a state: %w", err)
			}
			begun = true
		}
		switch err := s.settle(ctx); {
		case errors.Is(err, ErrRetired) && !s.isLeaving():
			return err
		case err != nil && ctx.Err() == nil && err.Error() != said:
			said = err.Error() // once, and not every two seconds
			s.log.Warn("this server is not yet one that votes and knows its leader", "err", err)
		}
		s.describe(ctx, s.others()) // they see the certificate, and need not know this server from their log
		if err := s.checkClock(); err != nil && !s.isLeaving() {
			s.log.Error("leaving the others", "err", err)
			s.drain(ctx)
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.moved:
		case <-ticker.C:
		}
	}
}

// settle does the next step to become a member that votes, if it is none.
func (s *Server) settle(ctx context.Context) error {
	own, _ := s.cfg.Server.Own() // New has checked it
	_, led := s.cluster.Leader()
	for _, m := range s.cluster.Members() {
		if m.ID == own.ID && m.Voter && led && slices.EqualFunc(m.Addresses, own.Addresses, ma.Multiaddr.Equal) {
			return nil
		}
	}
	if s.isLeaving() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	// Before Raft runs it has handled nothing, and yet there may be a state.
	is := s.cluster.Status()
	return s.askAround(ctx, &pb.ServerRequest{Kind: &pb.ServerRequest_Join{Join: &pb.Join{
		Addresses: texts(own.Addresses), Applied: max(is.Handled, is.Applied),
	}}})
}

// Leave takes this server out of the cluster, for good, and has Run return when that
// is done. First it sends its nodes elsewhere and gives the leadership away. It is
// refused where the others could not go on.
func (s *Server) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	request := func(check bool) *pb.ServerRequest {
		return &pb.ServerRequest{Kind: &pb.ServerRequest_Remove{Remove: &pb.Remove{Server: []byte(s.ID()), Check: check}}}
	}
	if err := s.askLeader(ctx, request(true)); err != nil {
		return err
	}
	s.drain(ctx)
	if err := s.cluster.HandOver(ctx); err != nil {
		s.log.Warn("the leadership could not be handed over", "err", err)
	}
	err := s.askLeader(ctx, request(false))
	if errors.Is(err, cluster.ErrNoMember) {
		err = nil // the answer to the first time was lost
	}
	if err != nil {
		// It takes no nodes any more, and would not again.
		err = fmt.Errorf("it ends, but belongs to the cluster still; start it again and let it leave then: %w", err)
	}
	s.leave.Do(func() { s.left <- err })
	return err
}

// Remove takes another server out of the cluster, for good: one that is gone, or that
// is not trusted any more. It is refused where the others could not go on.
func (s *Server) Remove(ctx context.Context, name string) error {
	members := s.cluster.Members()
	at := slices.IndexFunc(members, func(m cluster.Member) bool { return m.Name == name || m.ID.String() == name })
	switch {
	case at < 0:
		return &refusedError{fmt.Sprintf("there is no server %q in the cluster; to see them, type: rendezvous status", name)}
	case members[at].ID == s.ID():
		return &refusedError{fmt.Sprintf("%s is this server itself; to let it go in good order, type: rendezvous leave", name)}
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	err := s.askLeader(ctx, &pb.ServerRequest{Kind: &pb.ServerRequest_Remove{Remove: &pb.Remove{Server: []byte(members[at].ID)}}})
	if errors.Is(err, cluster.ErrNoMember) {
		return nil
	}
	return err
}

// Servers returns how this server is, and then how the others are, by name.
func (s *Server) Servers(ctx context.Context) []Status {
	others := s.describe(ctx, s.others())
	slices.SortFunc(others, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	own, err := s.Status()
	if err != nil {
		own = Status{Name: s.Name(), Peer: s.ID().String(), Obstacle: err.Error()}
	}
	return append([]Status{own}, others...)
}
