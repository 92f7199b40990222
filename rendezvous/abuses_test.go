package rendezvous_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// abuse is how one limit is exceeded.
type abuse struct {
	// start prepares it. more does what the limit refuses, often enough to be refused;
	// end, if there is one, undoes what stands in others' way.
	start func(*abuser) (more func() error, end func())
	want  error // of more; nil where it is only cut off
	// holdsUp: newcomers are strangers too, and wait.
	holdsUp bool
	// own: it spoils the server for other abuses.
	own bool
	// alone is for what such a server on loopback does not show.
	alone func(*testing.T)
}

// abuses are by the name of the limit.
var abuses = map[string]abuse{
	quota.AddressNewConns.Name: {alone: func(t *testing.T) { oneAddress(t, 0, quota.AddressNewConns.Burst) }},
	quota.AddressConns.Name:    {alone: func(t *testing.T) { oneAddress(t, time.Hour, quota.AddressConns.Burst) }},
	quota.DeviceConns.Name:     {start: connections},
	quota.IdleConns.Name:       {alone: idleStrangers},
	quota.DeviceStreams.Name: {start: func(a *abuser) (func() error, func()) {
		return a.streams(a.member(0, "streams"), func(ctx context.Context, h host.Host) (network.Stream, error) {
			return h.Network().NewStream(ctx, a.servers[0].ID()) // of no protocol yet
		})
	}},
	quota.DeviceRequestsAtOnce.Name: {start: func(a *abuser) (func() error, func()) {
		return a.streams(a.member(0, "requests"), func(ctx context.Context, h host.Host) (network.Stream, error) {
			return h.NewStream(ctx, a.servers[0].ID(), wire.Rendezvous)
		})
	}},
	quota.DeviceBeats.Name: {start: func(a *abuser) (func() error, func()) {
		return a.streams(a.member(0, "beats"), func(ctx context.Context, h host.Host) (network.Stream, error) {
			return h.NewStream(ctx, a.servers[0].ID(), wire.Beat)
		})
	}},
	quota.DeviceBeatFrames.Name: {want: wire.ErrTooMany, start: func(a *abuser) (func() error, func()) {
		n := a.member(0, "drum")
		return func() error { return a.drum(n) }, nil
	}},
	quota.DeviceRequests.Name: {want: wire.ErrSoon, start: func(a *abuser) (func() error, func()) {
		n := a.member(0, "asks")
		return a.sixteen(quota.DeviceRequests.Burst, func() error {
			return a.ask(n, &pb.Request{Kind: &pb.Request_Hello{Hello: &pb.Hello{}}})
		}), nil
	}},
	quota.StrangerRequests.Name: {want: wire.ErrSoon, start: func(a *abuser) (func() error, func()) {
		n := a.nodeAt(0)
		return a.sixteen(2*quota.StrangerRequests.Burst, func() error {
			return a.ask(n, &pb.Request{Kind: &pb.Request_GetPermit{GetPermit: &pb.GetPermit{}}})
		}), nil
	}},
	quota.StrangersWork.Name:    {want: wire.ErrSoon, holdsUp: true, start: func(a *abuser) (func() error, func()) { return a.crowd(false) }},
	quota.StrangersWaiting.Name: {want: wire.ErrSoon, holdsUp: true, start: func(a *abuser) (func() error, func()) { return a.crowd(true) }},
	quota.DevicePasswords.Name: {want: wire.ErrTooMany, start: func(a *abuser) (func() error, func()) {
		n := a.member(0, "guesses") // a stranger may not ask as often
		return func() error {
			for i := range 2 * quota.DeviceGuesses {
				if err := a.guess(n, record.Account(fmt.Sprintf("ghost%d", i))); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}},
	quota.AccountPasswords.Name: {want: wire.ErrTooMany, start: func(a *abuser) (func() error, func()) {
		for range quota.AccountGuesses / quota.DeviceGuesses {
			n := a.nodeAt(0)
			for range quota.DeviceGuesses {
				_ = a.guess(n, "ghost99")
			}
		}
		return func() error {
			n := a.nodeAt(0)
			var err error
			for range quota.DeviceGuesses - 1 { // fewer than the device's own
				err = errors.Join(err, a.guess(n, "ghost99"))
			}
			return err
		}, nil
	}},
	quota.SignUps.Name: {want: wire.ErrTooMany, own: true, start: func(a *abuser) (func() error, func()) {
		opaqueRecord, err := anyRecord()
		if err != nil {
			a.Fatal(err)
		}
		p := newStudent(a, "flood")
		if err := p.host.Connect(a.ctx, peer.AddrInfo{ID: a.servers[0].ID(), Addrs: a.made.Servers[0].Addresses}); err != nil {
			a.Fatal(err)
		}
		return a.sixteen(2*quota.SignUps.Burst, func() error {
			_, err := exchange(a.ctx, p.host, a.servers[0].ID(), p.signUp(opaqueRecord))
			return err
		}), nil
	}},
	quota.DeviceAccounts.Name: {want: wire.ErrRefused, start: func(a *abuser) (func() error, func()) {
		opaqueRecord, err := anyRecord()
		if err != nil {
			a.Fatal(err)
		}
		n := a.member(0, "twice")
		p := student{key: n.key, host: n.host, name: "again"}
		return func() error { return a.ask(n, p.signUp(opaqueRecord)) }, nil
	}},
	quota.DeviceWrites.Name: {want: wire.ErrSoon, start: func(a *abuser) (func() error, func()) {
		n := a.member(0, "writes")
		return a.sixteen(4*quota.DeviceWrites.Burst, func() error { return a.ask(n, write) }), nil
	}},
	quota.AccountWrites.Name: {want: wire.ErrSoon, start: func(a *abuser) (func() error, func()) {
		all := a.family("author", 4)
		var turn atomic.Uint32
		return a.sixteen(4*quota.AccountWrites.Burst, func() error {
			return a.ask(all[turn.Add(1)%uint32(len(all))], write)
		}), nil
	}},
	quota.AccountListing.Name: {want: wire.ErrTooMany, start: func(a *abuser) (func() error, func()) {
		n := a.member(0, "lists")
		names := make([]string, wire.MaxFindPeers)
		for i := range names {
			names[i] = fmt.Sprintf("anybody%d", i)
		}
		return func() error {
			for range quota.AccountListing.Burst/len(names) + 1 {
				if err := a.ask(n, &pb.Request{Kind: &pb.Request_FindPeers{FindPeers: &pb.FindPeers{Accounts: names}}}); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}},
	quota.Prekeys.Name: {want: wire.ErrTooMany, start: prekeys},
	quota.NewGroups.Name: {want: wire.ErrTooMany, start: func(a *abuser) (func() error, func()) {
		n := a.member(0, "founder")
		made := 0
		return func() error {
			made++
			name := record.GroupName(fmt.Sprintf("team%d", made))
			return a.ask(n, &pb.Request{Kind: &pb.Request_AppendGroup{AppendGroup: &pb.AppendGroup{Statement: n.newGroup(name, record.NewGroupID())}}})
		}, nil
	}},
	quota.DeviceLetters.Name: {want: wire.ErrTooMany, start: func(a *abuser) (func() error, func()) {
		n, sink := a.member(0, "spam"), a.member(0, "sink")
		return func() error { return a.spam(n, sink, wire.MaxLetters) }, nil
	}},
	quota.AccountLetters.Name: {want: wire.ErrTooMany, start: func(a *abuser) (func() error, func()) {
		all, sink := a.family("spammers", 4), a.member(0, "drain")
		turn := 0
		return func() error {
			turn++
			return a.spam(all[turn%len(all)], sink, wire.MaxLetters)
		}, nil
	}},
	quota.MailLetters.Name:      {want: wire.ErrFull, start: func(a *abuser) (func() error, func()) { return a.mail("full", 1, 2, false) }},
	quota.SenderLetters.Name:    {want: wire.ErrFull, start: func(a *abuser) (func() error, func()) { return a.mail("half", 1, 1, false) }},
	quota.MailBytes.Name:        {want: wire.ErrFull, start: func(a *abuser) (func() error, func()) { return a.mail("heavy", wire.MaxEnvelope, 2, false) }},
	quota.SenderBytes.Name:      {want: wire.ErrFull, start: func(a *abuser) (func() error, func()) { return a.mail("stout", wire.MaxEnvelope, 1, false) }},
	quota.StrangerLetters.Name:  {want: wire.ErrFull, start: func(a *abuser) (func() error, func()) { return a.mail("shy", 1, 1, true) }},
	quota.GroupMailBytes.Name:   {want: wire.ErrFull, start: func(a *abuser) (func() error, func()) { return a.groupMail("loud", 2) }},
	quota.SenderGroupBytes.Name: {want: wire.ErrFull, start: func(a *abuser) (func() error, func()) { return a.groupMail("shrill", 1) }},
}

// write is a change that comes to nothing, but is agreed on all the same.
var write = &pb.Request{Kind: &pb.Request_SetContacts{SetContacts: &pb.SetContacts{Version: 99, Token: make([]byte, wire.TokenSize)}}}

// oneAddress has more connections come from one address than may, so long after one
// another that this is not what is too much, and then one from another.
func oneAddress(t *testing.T, pause time.Duration, most int) {
	synctest.Test(t, func(t *testing.T) {
		m, err := rendezvous.NewResourceManager()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		admitted := 0
		for i := range 2 * most {
			conn, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/198.51.100.7/tcp/4100"))
			if err == nil && conn.SetPeer(peer.ID(fmt.Sprintf("peer %d", i))) == nil {
				admitted++
			}
			if pause > 0 && i%quota.AddressNewConns.Burst == 0 {
				<-time.After(pause)
			}
		}
		if admitted != most {
			t.Errorf("%d were let in, want %d", admitted, most)
		}
		if _, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/203.0.113.9/tcp/4100")); err != nil {
			t.Errorf("another address: %v", err)
		}
	})
}

// connections opens more and more connections of one device.
func connections(a *abuser) (more func() error, end func()) {
	key := directorytest.NewKey()
	var hosts []host.Host
	return func() error {
			h := newHost(a, key, false)
			hosts = append(hosts, h)
			h.Peerstore().AddAddrs(a.servers[0].ID(), a.made.Servers[0].Addresses, time.Hour)
			_, err := exchange(a.ctx, h, a.servers[0].ID(), &pb.Request{Kind: &pb.Request_Hello{Hello: &pb.Hello{}}})
			if err != nil {
				h.Close()
			}
			return err
		}, func() {
			for _, h := range hosts {
				h.Close()
			}
		}
}

// streams opens streams without end, and writes the first byte of what may be a frame
// or the name of a protocol.
func (a *abuser) streams(n *node, open func(context.Context, host.Host) (network.Stream, error)) (more func() error, end func()) {
	var opened []network.Stream
	before := a.refusals(a.limit.Name)
	return func() error {
			s, err := open(a.ctx, n.host)
			if err != nil {
				return err
			}
			opened = append(opened, s)
			if _, err := s.Write([]byte{0x13}); err != nil {
				return err
			}
			if len(opened)%8 == 0 && a.refusals(a.limit.Name) > before {
				return network.ErrReset
			}
			return nil
		}, func() {
			for _, s := range opened {
				s.Reset()
			}
		}
}

// drum beats faster than anybody needs to.
func (a *abuser) drum(n *node) error {
	s, err := n.host.NewStream(a.ctx, a.servers[0].ID(), wire.Beat)
	if err != nil {
		return err
	}
	defer s.Reset()
	done := make(chan error, 1)
	go func() { done <- readAll(bufio.NewReader(s)) }()
	for range 2 * quota.DeviceBeatFrames.Burst {
		if err := wire.WriteFrame(s, &pb.Beat{}); err != nil {
			break
		}
	}
	return <-done
}

// crowd keeps strangers at the bench.
func (a *abuser) crowd(queue bool) (more func() error, end func()) {
	n, owner := a.nodeAt(0), a.member(0, fmt.Sprintf("crowd%t", queue))
	free := a.servers[0].Occupy(queue)
	entry := record.NewDeviceLog(owner.account, owner.identity.Public()).
		Next(record.AddDevice, n.host.ID(), "mine", time.Now()).Sign(n.key)
	return func() error {
		return a.ask(n, &pb.Request{Kind: &pb.Request_AppendDevice{AppendDevice: &pb.AppendDevice{Account: string(owner.account), Entry: entry}}})
	}, free
}

// guess asks for what tells whether a password is right.
func (a *abuser) guess(n *node, account record.Account) error {
	_, ke1, err := auth.LoginStart([]byte("a guess"))
	if err != nil {
		return err
	}
	return a.ask(n, &pb.Request{Kind: &pb.Request_StartLogin{StartLogin: &pb.StartLogin{Account: string(account), Ke1: ke1}}})
}

// prekeys takes those of a device that is away.
func prekeys(a *abuser) (more func() error, end func()) {
	n, away := a.member(0, "thief"), a.member(0, "away")
	bundle := record.Bundle{Account: away.account, Device: away.host.ID(), Suite: 1, At: time.Now(), SignedPrekeyID: 1, LastResortID: 1}.Sign(away.key)
	var stock [][]byte
	for id := range uint32(record.MaxPrekeys) {
		stock = append(stock, record.OneTimePrekey{Device: away.host.ID(), ID: id + 1}.Sign(away.key))
	}
	if err := away.PublishKeys(a.ctx, bundle, stock); err != nil {
		a.Fatal(err)
	}
	take := &pb.Request{Kind: &pb.Request_TakeKeys{TakeKeys: &pb.TakeKeys{Account: string(away.account), Devices: [][]byte{[]byte(away.host.ID())}}}}
	return func() error { return a.ask(n, take) }, func() {
		other := a.member(0, "friend")
		keys, err := other.TakeKeys(a.ctx, away.account, []peer.ID{away.host.ID()})
		if err != nil || len(keys) != 1 || keys[0].Left < record.MaxPrekeys-quota.Prekeys.Burst-2 {
			a.Errorf("a friend finds %+v, %v", keys, err)
		}
	}
}

var letterNumber atomic.Uint32

func newLetterID() [wire.LetterIDSize]byte {
	n := letterNumber.Add(1)
	return [wire.LetterIDSize]byte{byte(n), byte(n >> 8), byte(n >> 16)}
}

// spam puts letters that their recipient has no room for, which costs no less.
func (a *abuser) spam(n, to *node, letters int) error {
	put := &pb.PutMail{Account: string(to.account)}
	for range letters {
		id := newLetterID()
		put.Letters = append(put.Letters, &pb.Letter{Id: id[:], Device: []byte(to.host.ID()), Envelope: []byte{1}})
	}
	_, err := exchange(a.ctx, n.host, a.servers[0].ID(), &pb.Request{Kind: &pb.Request_PutMail{PutMail: put}})
	return err
}

// mail fills a device's mailbox by so many senders, as far as each may, and then one
// more puts one. A single sender goes on itself.
func (a *abuser) mail(name string, size, senders int, ask bool) (more func() error, end func()) {
	to := a.member(0, name+".to")
	if ask {
		if err := to.SetContacts(a.ctx, client.ContactChange{Policy: client.PolicyAsk}); err != nil {
			a.Fatal(err)
		}
	}
	put := func(n *node) error {
		id := newLetterID()
		return a.ask(n, &pb.Request{Kind: &pb.Request_PutMail{PutMail: &pb.PutMail{
			Account: string(to.account), Letters: []*pb.Letter{{Id: id[:], Device: []byte(to.host.ID()), Envelope: make([]byte, size)}},
		}}})
	}
	return a.fill(name, senders, put), nil
}

// fill has senders put until each is refused; if there are several, another one goes on.
func (a *abuser) fill(name string, senders int, put func(*node) error) (more func() error) {
	var last *node
	for i := range senders {
		last = a.member(0, fmt.Sprintf("%s.by%d", name, i))
		for put(last) == nil {
		}
	}
	if senders > 1 {
		last = a.member(0, name+".last")
	}
	return func() error { return put(last) }
}

// groupMail is mail in a group.
func (a *abuser) groupMail(name string, senders int) (more func() error, end func()) {
	to := a.member(0, name+".to")
	id := record.NewGroupID()
	if err := to.AppendGroup(a.ctx, to.newGroup(record.GroupName(name), id)); err != nil {
		a.Fatal(err)
	}
	joined := make(map[*node]bool)
	put := func(n *node) error {
		if !joined[n] {
			join := n.chain(record.GroupName(name)).Next(record.JoinGroup, n.account, n.host.ID(), time.Now())
			if err := n.AppendGroup(a.ctx, join.Sign(n.key)); err != nil {
				a.Fatal(err)
			}
			joined[n] = true
		}
		letter := newLetterID()
		return a.ask(n, &pb.Request{Kind: &pb.Request_PutGroupMail{PutGroupMail: &pb.PutGroupMail{
			Group: id[:], Letters: []*pb.GroupLetter{{Id: letter[:], Devices: [][]byte{[]byte(to.host.ID())}, Message: make([]byte, wire.MaxEnvelope)}},
		}}})
	}
	return a.fill(name, senders, put), nil
}
