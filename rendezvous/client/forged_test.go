package client

import (
	"errors"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Whatever a server answers, the caller gets values that verify or ErrForged.
func TestServerForges(t *testing.T) {
	st := newStage(t, "liar")
	c := st.client()
	ctx := t.Context()
	identity, device, other := directorytest.NewKey(), directorytest.NewKey(), directorytest.NewKey()
	id, otherID := device.ID(), other.ID()
	now := time.Now()
	entry := record.NewDeviceLog("alice1", identity.Public()).Next(record.AddDevice, id, "", now).Sign(identity)
	bundle := record.Bundle{Account: "alice1", Device: id, At: now}.Sign(device)
	prekey := record.OneTimePrekey{Device: id, ID: 1}.Sign(device)

	lookUp := func() error { _, err := c.LookUp(ctx, "alice1"); return err }
	takeKeys := func() error { _, err := c.TakeKeys(ctx, "alice1", []peer.ID{id}); return err }
	list := func() error { _, err := c.ListGroups(ctx, false); return err }
	group := func() error { _, err := c.GroupByName(ctx, "chess", 0); return err }
	login := func() error { _, err := c.Login(ctx, "alice1", []byte("x")); return err }
	signUp := func() error {
		_, err := c.SignUp(ctx, "alice", "1", []byte("x"), func(record.Account, auth.ExportKey) (Enrolment, error) {
			t.Error("enrolled with a server that lies")
			return Enrolment{}, nil
		})
		return err
	}
	account := func(a *pb.AccountRecord) *pb.Response {
		return &pb.Response{Kind: &pb.Response_Account{Account: a}}
	}
	keys := func(k *pb.DeviceKeys) *pb.Response {
		return &pb.Response{Kind: &pb.Response_Keys{Keys: &pb.KeyBundles{Devices: []*pb.DeviceKeys{k}}}}
	}
	groups := func(names ...string) *pb.Response {
		l := &pb.GroupList{More: true}
		for _, name := range names {
			l.Groups = append(l.Groups, &pb.GroupSummary{Id: make([]byte, 16), Name: name})
		}
		return &pb.Response{Kind: &pb.Response_Groups{Groups: l}}
	}
	chain := func(g *pb.GroupChain) *pb.Response { return &pb.Response{Kind: &pb.Response_Group{Group: g}} }
	permit := func() error { _, err := c.Permit(ctx); return err }
	liar := st.servers[0].key(t)
	certify := func(by directorytest.Key) []byte {
		return record.Certificate{Server: liar.ID(), From: now.Add(-time.Hour), Until: now.Add(time.Hour)}.Sign(by)
	}
	sixteen := make([]byte, 16)
	begin := func() error { _, err := c.BeginGeneration(ctx, 3, Token{}, false); return err }
	generation := func(g *pb.Generation) *pb.Response {
		return &pb.Response{Kind: &pb.Response_Generation{Generation: g}}
	}

	mail := func() error { _, _, err := c.FetchMail(ctx, 0, 5); return err }
	groupMail := func() error { _, _, err := c.FetchGroupMail(ctx, record.GroupID{1}, 5, 0); return err }
	putMail := func() error {
		_, err := c.PutMail(ctx, "alice1", []Letter{{To: id, Envelope: []byte{1}}})
		return err
	}
	letter := func(number uint64, change func(*pb.Mail)) *pb.Mail {
		m := &pb.Mail{Number: number, Account: "bob1", Device: []byte(otherID), Id: sixteen, Envelope: []byte("sealed")}
		change(m)
		return m
	}
	page := func(more bool, letters ...*pb.Mail) *pb.Response {
		return &pb.Response{Kind: &pb.Response_MailPage{MailPage: &pb.MailPage{Mail: letters, More: more}}}
	}
	as := func(*pb.Mail) {}

	for name, forgery := range map[string]struct {
		call   func() error
		answer *pb.Response
	}{
		"no account":               {lookUp, &pb.Response{}},
		"another account":          {lookUp, account(&pb.AccountRecord{Account: "bob1", Identity: identity.Public(), Devices: [][]byte{entry}})},
		"another identity":         {lookUp, account(&pb.AccountRecord{Account: "alice1", Identity: other.Public(), Devices: [][]byte{entry}})},
		"a device log with a hole": {lookUp, account(&pb.AccountRecord{Account: "alice1", Identity: identity.Public(), Devices: [][]byte{entry, entry}})},
		"no bundle":                {takeKeys, keys(&pb.DeviceKeys{Device: []byte(id)})},
		"another device's bundle":  {takeKeys, keys(&pb.DeviceKeys{Device: []byte(otherID), Bundle: record.Bundle{Account: "alice1", Device: otherID, At: now}.Sign(other)})},
		"a bundle signed by another": {takeKeys, keys(&pb.DeviceKeys{Device: []byte(id),
			Bundle: record.Bundle{Account: "alice1", Device: id, At: now}.Sign(other)})},
		"a prekey signed by another": {takeKeys, keys(&pb.DeviceKeys{Device: []byte(id), Bundle: bundle,
			OneTime: record.OneTimePrekey{Device: id, ID: 1}.Sign(other)})},
		"a spoiled prekey":          {takeKeys, keys(&pb.DeviceKeys{Device: []byte(id), Bundle: bundle, OneTime: prekey[1:]})},
		"a list without end":        {list, groups("chess")},
		"a list out of order":       {list, groups("b", "a")},
		"a name that cannot be":     {list, groups("Chess!")},
		"another group":             {group, chain(&pb.GroupChain{Id: sixteen, Name: "poker"})},
		"a chain too long":          {group, chain(&pb.GroupChain{Id: sixteen, Name: "chess", Length: 1 << 40})},
		"a chain without its pages": {group, chain(&pb.GroupChain{Id: sixteen, Name: "chess", Length: 5})},
		"a chain from elsewhere":    {group, chain(&pb.GroupChain{Id: sixteen, Name: "chess", From: 3, Length: 3})},
		"an ID too long":            {group, chain(&pb.GroupChain{Id: make([]byte, 17), Name: "chess"})},
		"no ID":                     {group, chain(&pb.GroupChain{Name: "chess"})},
		"no KE2":                    {login, &pb.Response{}},
		"an empty KE2":              {login, &pb.Response{Kind: &pb.Response_Login{Login: &pb.Login{Ke2: make([]byte, auth.KE2Size)}}}},
		"no registration":           {signUp, &pb.Response{}},
		"no permit":                 {permit, &pb.Response{}},
		"another device's permit":   {permit, permitBy(liar, certify(st.cluster), otherID, now.Add(time.Hour))},
		"a permit by another":       {permit, permitBy(other, certify(st.cluster), c.host.ID(), now.Add(time.Hour))},
		"a permit of the past":      {permit, permitBy(liar, certify(st.cluster), c.host.ID(), now)},
		"no generation":             {begin, &pb.Response{}},
		"a start that is not next":  {begin, generation(&pb.Generation{Generation: 3, Stepped: true})},
		"prekeys without end":       {begin, generation(&pb.Generation{Generation: 9, HighestPrekey: 1<<31 + 1})},
		"no page of mail":           {mail, &pb.Response{}},
		"mail without end":          {mail, page(true)},
		"mail that was left out":    {mail, page(false, letter(5, as))},
		"mail that was taken":       {groupMail, page(false, letter(5, as))},
		"mail out of order":         {groupMail, page(false, letter(7, as), letter(6, as))},
		"one letter twice":          {mail, page(false, letter(6, as), letter(6, as))},
		"mail of nobody":            {mail, page(false, letter(6, func(m *pb.Mail) { m.Account = "!" }))},
		"mail of no device":         {mail, page(false, letter(6, func(m *pb.Mail) { m.Device = []byte{1} }))},
		"mail without an ID":        {mail, page(false, letter(6, func(m *pb.Mail) { m.Id = nil }))},
		"mail too large":            {mail, page(false, letter(6, func(m *pb.Mail) { m.Envelope = make([]byte, wire.MaxEnvelope+1) }))},
		"no word of the letter":     {putMail, &pb.Response{Kind: &pb.Response_MailPut{MailPut: &pb.MailPut{}}}},
		"word of two letters":       {putMail, &pb.Response{Kind: &pb.Response_MailPut{MailPut: &pb.MailPut{Codes: []uint32{0, 0}}}}},
		"another cluster's permit":  {permit, permitBy(liar, certify(other), c.host.ID(), now.Add(time.Hour))},
	} {
		st.servers[0].says(func(*pb.Request) *pb.Response { return forgery.answer })
		if err := forgery.call(); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// And that the honest answer passes.
	st.servers[0].says(func(*pb.Request) *pb.Response {
		return keys(&pb.DeviceKeys{Device: []byte(id), Bundle: bundle, OneTime: prekey})
	})
	if err := takeKeys(); err != nil {
		t.Errorf("honest keys: %v", err)
	}
	st.servers[0].says(func(*pb.Request) *pb.Response { return page(true, letter(6, as), letter(9, as)) })
	if got, more, err := c.FetchMail(ctx, 0, 5); err != nil || !more || len(got) != 2 || got[1].Number != 9 || got[1].From != "bob1" || got[1].Device != otherID {
		t.Errorf("honest mail: %+v, %v, %v", got, more, err)
	}
}

// Long answers are asked for in parts.
func TestFindPeersInParts(t *testing.T) {
	st := newStage(t, "server")
	var most int
	st.servers[0].says(func(req *pb.Request) *pb.Response {
		n := len(req.GetFindPeers().GetAccounts())
		if n > 100 {
			return &pb.Response{Kind: &pb.Response_Error{Error: wire.ToWire(wire.ErrTooLarge)}}
		}
		most = max(most, n)
		return &pb.Response{Kind: &pb.Response_Peers{Peers: &pb.Peers{}}}
	})
	accounts := make([]record.Account, 300)
	for i := range accounts {
		accounts[i] = "alice1"
	}
	if _, err := st.client().FindPeers(t.Context(), accounts); err != nil || most > 100 || most < 50 {
		t.Errorf("%v, %d at a time", err, most)
	}
}

func FuzzNotice(f *testing.F) {
	f.Add("alice1", []byte(nil), make([]byte, 16), uint8(2))
	f.Add("alice1", []byte(nil), make([]byte, 17), uint8(2))
	f.Fuzz(func(t *testing.T, account string, envelope, id []byte, kind uint8) {
		n := &pb.Notice{}
		switch kind % 6 {
		case 0:
			n.Kind = &pb.Notice_Up{Up: &pb.PeerPresence{Account: account, Record: envelope}}
		case 1:
			n.Kind = &pb.Notice_AccountChanged{AccountChanged: account}
		case 2:
			n.Kind = &pb.Notice_GroupChanged{GroupChanged: &pb.GroupChanged{Id: id}}
		case 4:
			n.Kind = &pb.Notice_Mail{Mail: true}
		case 5:
			n.Kind = &pb.Notice_GroupMail{GroupMail: id}
		}
		notice, err := noticeFromWire(n)
		if changed, ok := notice.(GroupChanged); ok && err == nil && string(changed.Group[:]) != string(id) {
			t.Errorf("another group: %x from %x", changed.Group, id)
		}
		if waiting, ok := notice.(GroupMailWaiting); ok && err == nil && string(waiting.Group[:]) != string(id) {
			t.Errorf("another group: %x from %x", waiting.Group, id)
		}
	})
}

func FuzzAssignment(f *testing.F) {
	cluster, server := directorytest.NewKey(), directorytest.NewKey()
	id := server.ID()
	now := time.Now()
	certificate := record.Certificate{Server: id, Name: "s1", From: now.Add(-time.Hour), Until: now.Add(time.Hour)}.Sign(cluster)
	f.Add(certificate, []byte{4, 127, 0, 0, 1, 6, 1, 2}, uint32(600))
	f.Fuzz(func(t *testing.T, signed, address []byte, lifetime uint32) {
		a, err := assignmentFromWire(&pb.Assignment{
			Cluster: cluster.Public(), Certificate: signed, Addresses: [][]byte{address}, Lifetime: lifetime,
		}, now)
		if err == nil && (a.server != id || a.lifetime < minLifetime || a.lifetime > maxLifetime) {
			t.Errorf("believed %+v", a)
		}
	})
}
