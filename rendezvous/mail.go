package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// putMail keeps letters of the device that asks. Once it is answered, a majority
// of the servers has them on disk.
func (s *Server) putMail(ctx context.Context, c caller, m *pb.PutMail) (*pb.Response, error) {
	to, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return nil, badRequest(err)
	}
	letters := make([]directory.Letter, len(m.GetLetters()))
	for i, l := range m.GetLetters() {
		if letters[i], err = letterFromWire(l); err != nil {
			return nil, err
		}
	}
	return s.put(ctx, c, "direct", len(letters), directory.PutMail(c.account, c.device, to, letters))
}

func letterFromWire(l *pb.Letter) (directory.Letter, error) {
	device, err := peer.IDFromBytes(l.GetDevice())
	if err != nil {
		return directory.Letter{}, badRequest(err)
	}
	id, err := letterID(l.GetId())
	return directory.Letter{ID: id, To: device, Envelope: l.GetEnvelope()}, err
}

func letterID(raw []byte) (id [wire.LetterIDSize]byte, err error) {
	if len(raw) != len(id) {
		return id, fmt.Errorf("%w: a letter's ID", wire.ErrBadRequest)
	}
	return [wire.LetterIDSize]byte(raw), nil
}

// put has a command replicated that keeps letters, if the device may put as many
// and there is room for them.
func (s *Server) put(ctx context.Context, c caller, kind string, letters int, command []byte) (resp *pb.Response, err error) {
	var results []error
	defer func() { s.metrics.put(kind, letters, results, err) }()
	if err := s.room(); err != nil {
		return nil, err
	}
	if err := s.allowed.letters.take(c, letters); err != nil {
		return nil, err
	}
	value, index, err := s.change(ctx, c, command)
	if errors.Is(err, wire.ErrTooMany) {
		s.allowed.letters.give(c, letters)
	}
	if err != nil {
		return nil, err
	}
	if results, err = directory.ParseLettersPut(value); err != nil {
		return nil, err
	}
	put := &pb.MailPut{Codes: make([]uint32, len(results))}
	for i, result := range results {
		if result != nil {
			put.Codes[i] = wire.Code(result)
		}
	}
	return &pb.Response{Index: index, Kind: &pb.Response_MailPut{MailPut: put}}, nil
}

// fetchMail answers with what waits for the device that asks. It is a read, but
// for a device that has taken something which is still there.
func (s *Server) fetchMail(ctx context.Context, c caller, m *pb.FetchMail) (*pb.Response, error) {
	d := s.cluster.Directory()
	there, err := d.HasMail(c.account, c.device, m.GetTaken())
	if err != nil {
		return nil, err
	}
	var index uint64
	if there {
		if _, index, err = s.change(ctx, c, directory.TakeMail(c.account, c.device, m.GetTaken())); err != nil {
			return nil, err
		}
		if err := s.cluster.WaitApplied(ctx, index); err != nil {
			return nil, err
		}
	}
	page, more, err := d.Mail(c.account, c.device, max(m.GetTaken(), m.GetAfter()), wire.MailPage)
	return mailPage(index, page, more, err)
}

func mailPage(index uint64, page []directory.Mail, more bool, err error) (*pb.Response, error) {
	if err != nil {
		return nil, err
	}
	out := &pb.MailPage{More: more}
	for i := range page {
		m := &page[i]
		out.Mail = append(out.Mail, &pb.Mail{
			Number: m.Number, Account: string(m.From), Device: []byte(m.Device), Id: m.ID[:], Envelope: m.Sealed,
		})
	}
	return &pb.Response{Index: index, Kind: &pb.Response_MailPage{MailPage: out}}, nil
}

// putGroupMail keeps letters of the device that asks for others of its group.
func (s *Server) putGroupMail(ctx context.Context, c caller, m *pb.PutGroupMail) (*pb.Response, error) {
	group, err := groupIDFromWire(m.GetGroup())
	if err != nil {
		return nil, err
	}
	letters := make([]directory.GroupLetter, len(m.GetLetters()))
	owners := owners{server: s, known: make(map[peer.ID]record.Account)}
	for i, l := range m.GetLetters() {
		if letters[i].ID, err = letterID(l.GetId()); err != nil {
			return nil, err
		}
		if letters[i].For, err = owners.of(ctx, l.GetDevices()); err != nil {
			return nil, err
		}
		letters[i].Message = l.GetMessage()
	}
	return s.put(ctx, c, "group", len(letters), directory.PutGroupMail(c.account, c.device, group, letters))
}

func groupIDFromWire(raw []byte) (record.GroupID, error) {
	if len(raw) != len(record.GroupID{}) {
		return record.GroupID{}, fmt.Errorf("%w: a group's ID", wire.ErrBadRequest)
	}
	return record.GroupID(raw), nil
}

// owners finds out whose devices are, for one request.
type owners struct {
	server *Server
	known  map[peer.ID]record.Account // empty for those that are nobody's now
	fresh  bool                       // there was a barrier
}

// of returns the devices that are somebody's. Before it leaves one out it makes
// sure, once, that it is not this server that lags behind.
func (o *owners) of(ctx context.Context, devices [][]byte) ([]directory.Member, error) {
	if len(devices) > wire.MaxFor {
		return nil, fmt.Errorf("%w: a letter for %d devices", wire.ErrBadRequest, len(devices))
	}
	var members []directory.Member
	for _, raw := range devices {
		device, err := peer.IDFromBytes(raw)
		if err != nil {
			return nil, badRequest(err)
		}
		account, known := o.known[device]
		if !known {
			if account, err = o.find(ctx, device); err != nil {
				return nil, err
			}
			o.known[device] = account
		}
		if account != "" {
			members = append(members, directory.Member{Account: account, Device: device})
		}
	}
	return members, nil
}

func (o *owners) find(ctx context.Context, device peer.ID) (record.Account, error) {
	for {
		account, active, err := o.server.cluster.Directory().AccountOfDevice(device)
		switch {
		case err == nil && active:
			return account, nil
		case err != nil && !errors.Is(err, wire.ErrNoAccount):
			return "", err
		case o.fresh:
			return "", nil
		}
		if err := o.server.cluster.Barrier(ctx); err != nil {
			return "", err
		}
		o.fresh = true
	}
}

// fetchGroupMail is fetchMail for what waits in a group. Who is no member is
// refused.
func (s *Server) fetchGroupMail(ctx context.Context, c caller, m *pb.FetchGroupMail) (*pb.Response, error) {
	group, err := groupIDFromWire(m.GetGroup())
	if err != nil {
		return nil, err
	}
	take := func(ctx context.Context, command []byte) ([]byte, uint64, error) { return s.change(ctx, c, command) }
	index, err := s.takeGroupMail(ctx, take, group, c.account, c.device, m.GetTaken())
	if err != nil {
		return nil, err
	}
	page, more, err := s.cluster.Directory().GroupMail(group, c.account, c.device, max(m.GetTaken(), m.GetAfter()), wire.MailPage)
	return mailPage(index, page, more, err)
}

// proposer has a command replicated, and returns what came of it and its index.
type proposer func(ctx context.Context, command []byte) (value []byte, index uint64, err error)

// takeGroupMail removes what waits for a device in a group up to a number, if
// there is anything, and returns the index at which this server has done so.
func (s *Server) takeGroupMail(ctx context.Context, propose proposer, group record.GroupID, account record.Account, device peer.ID, upTo uint64) (index uint64, err error) {
	more, err := s.cluster.Directory().HasGroupMail(group, account, device, upTo)
	for err == nil && more {
		var value []byte
		value, index, err = propose(ctx, directory.TakeGroupMail(group, account, device, upTo))
		if err == nil {
			more, err = directory.ParseUnfinished(value)
		}
	}
	if err != nil {
		return 0, err
	}
	return index, s.cluster.WaitApplied(ctx, index)
}

// forgetGroupMail removes what waits in groups for a device that was revoked. Its
// own letters went with it; those in groups may be of other shards, and a command
// is of one. What is left because this is cut short goes when it expires.
func (s *Server) forgetGroupMail(ctx context.Context, account record.Account, device peer.ID) {
	groups, err := s.cluster.Directory().GroupsOf(account)
	for _, group := range groups {
		_, failed := s.takeGroupMail(ctx, s.cluster.Propose, group, account, device, math.MaxUint64)
		err = errors.Join(err, failed)
	}
	if err != nil {
		s.log.Warn("a revoked device's group mail stays until it expires", "err", err)
	}
}
