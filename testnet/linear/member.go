package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/linear/check"
)

// member is a client with an account of its own, that asks one thing after another.
type member struct {
	*device
	*recorder
	number  int
	account record.Account
	world   *world
	rng     *rand.Rand
	patient bool // it waits for every answer
	// What may be taken of each member: in a long run servers would refuse more.
	prekeys *quota.Meter[int]

	published  check.Publish // what was last published, perhaps
	sure       bool          // it was acknowledged
	chains     map[record.GroupName]record.Chain
	statements int64  // that it has made
	asked      uint64 // letters up to this number were asked to be removed
	seen       uint64 // the last letter's number
}

// step asks one thing.
func (m *member) step(ctx context.Context) {
	patience := requestTimeout
	if !m.patient && m.rng.IntN(oneImpatient) == 0 {
		patience = time.Duration(m.rng.Int64N(int64(mostImpatient)))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	draw := m.rng.IntN(100)
	for _, kind := range []struct {
		share int // in percent
		ask   func(context.Context)
	}{
		{12, m.publish}, {18, m.take}, {18, m.append}, {14, m.readGroup}, {3, m.listGroups},
		{15, m.putMail}, {12, m.fetchMail}, {8, m.lookUp},
	} {
		if draw -= kind.share; draw < 0 {
			kind.ask(ctx)
			return
		}
	}
}

func keysOf(a record.Account) string       { return "keys of " + string(a) }
func mailOf(a record.Account) string       { return "mail of " + string(a) }
func groupNamed(n record.GroupName) string { return "group " + string(n) }
func nameOf(a record.Account) string       { return "name " + string(a) }

// other draws another member.
func (m *member) other() *member {
	others := m.world.members
	return others[(m.number+1+m.rng.IntN(len(others)-1))%len(others)]
}

// publish publishes a new bundle, and prekeys if they have become few. What was not
// acknowledged is published again before anything else: numbers have no gaps.
func (m *member) publish(ctx context.Context) {
	before := m.published
	if m.sure {
		m.published.Bundle++
		if m.published.Highest-m.world.takenOf(m.number) < lowStock {
			m.published.Highest += refill
		}
	}
	bundle := record.Bundle{
		Account: m.account, Device: m.host.ID(), Suite: 1, At: time.Now(),
		SignedPrekeyID: m.published.Bundle, LastResortID: m.published.Bundle,
	}.Sign(m.key)
	var prekeys [][]byte
	// Those of an unsure publication are published again with it.
	for id := max(before.Highest, refill) - refill + 1; id <= m.published.Highest; id++ {
		prekeys = append(prekeys, record.OneTimePrekey{Device: m.host.ID(), ID: id}.Sign(m.key))
	}
	outcome := m.ask(ctx, asking{m.number, keysOf(m.account), m.published, nil}, func(ctx context.Context) (any, error) {
		return nil, m.PublishKeys(ctx, bundle, prekeys)
	})
	m.sure = outcome == check.Done
}

// take takes keys of another member, or looks something up if it has had enough of them.
func (m *member) take(ctx context.Context) {
	of := m.other()
	if m.prekeys.Take(of.number, 1, time.Now()) > 0 {
		m.lookUp(ctx)
		return
	}
	m.takeFrom(ctx, of)
}

func (m *member) takeFrom(ctx context.Context, of *member) {
	m.ask(ctx, asking{m.number, keysOf(of.account), check.Take{}, nil}, func(ctx context.Context) (any, error) {
		return takeKeys(ctx, m.Client, m.world, of)
	})
}

func takeKeys(ctx context.Context, c *client.Client, w *world, of *member) (any, error) {
	keys, err := c.TakeKeys(ctx, of.account, []peer.ID{of.host.ID()})
	if err != nil {
		return nil, err
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("keys of %d devices", len(keys))
	}
	found := check.Take{Bundle: keys[0].Bundle.SignedPrekeyID, Left: uint32(keys[0].Left)}
	if keys[0].OneTime != nil {
		found.Prekey = keys[0].OneTime.ID
		w.taken(of.number, found.Prekey)
	}
	return found, nil
}

// group draws one of the two newest groups.
func (m *member) group() record.GroupName {
	return m.world.group(m.rng.IntN(2))
}

// now is a time that this member has used for nothing yet, so that no two statements
// are the same: appending one that stands there already is no conflict.
func (m *member) now() time.Time {
	m.statements++
	return time.Unix(m.statements, 0)
}

// append creates a group, or joins, leaves or renews the secret of one.
func (m *member) append(ctx context.Context) {
	name := m.group()
	chain := m.chains[name]
	var s record.Statement
	switch {
	case chain.Len() == 0:
		s = chain.Next(record.CreateGroup, m.account, m.host.ID(), m.now())
		s.Group, s.Name, s.Commitment = record.NewGroupID(), name, record.Hash{1}
	case !chain.Member(m.account):
		s = chain.Next(record.JoinGroup, m.account, m.host.ID(), m.now())
	case m.rng.IntN(2) == 0:
		s = chain.Next(record.LeaveGroup, m.account, m.host.ID(), m.now())
	default:
		s = chain.Next(record.Rekey, m.account, m.host.ID(), m.now())
		s.Commitment = record.Hash{2, byte(m.rng.IntN(256))}
	}
	signed := s.Sign(m.key)
	hash := record.HashOf(signed)
	what := check.Append{Seq: s.Seq, Hash: text(hash[:])}
	if s.Seq > 0 {
		what.Prev = text(s.Prev[:])
	}
	outcome := m.ask(ctx, asking{m.number, groupNamed(name), what, []error{wire.ErrConflict, wire.ErrGroupTaken}}, func(ctx context.Context) (any, error) {
		return nil, m.AppendGroup(ctx, signed)
	})
	if outcome == check.Done {
		m.extend(name, s.Seq, [][]byte{signed})
	}
	// What it wrote, or what was in the way, is to be there at once.
	m.readOf(ctx, name)
}

// readGroup reads the whole chain of a group.
func (m *member) readGroup(ctx context.Context) { m.readOf(ctx, m.group()) }

func (m *member) readOf(ctx context.Context, name record.GroupName) {
	m.ask(ctx, asking{m.number, groupNamed(name), check.Read{}, nil}, func(ctx context.Context) (any, error) {
		found, statements, err := readChain(ctx, m.Client, name)
		if err == nil {
			m.extend(name, 0, statements)
		}
		return found, err
	})
}

func readChain(ctx context.Context, c *client.Client, name record.GroupName) (found any, statements [][]byte, err error) {
	chain, err := c.GroupByName(ctx, name, 0)
	if isOneOf(err, []error{wire.ErrNoGroup}) {
		return check.Read{}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	head := record.HashOf(chain.Statements[len(chain.Statements)-1])
	return check.Read{Length: chain.Length, Head: text(head[:])}, chain.Statements, nil
}

// extend makes statements part of what this member knows of a group. What it knows
// already is for the judge to compare.
func (m *member) extend(name record.GroupName, from uint64, statements [][]byte) {
	chain := m.chains[name]
	for i, signed := range statements {
		if from+uint64(i) < chain.Len() {
			continue
		}
		next, err := chain.Append(signed, func(record.Account, peer.ID) bool { return true })
		if err != nil {
			m.blame(groupNamed(name), fmt.Sprintf("client %d cannot verify statement %d: %v", m.number, from+uint64(i), err))
			return
		}
		chain = next
	}
	m.chains[name] = chain
	if chain.Len() >= longChain {
		m.world.full(name)
	}
}

// listGroups lists all groups: a read of each that this member knows of.
func (m *member) listGroups(ctx context.Context) {
	called := time.Since(m.began)
	all, err := m.ListGroups(ctx, false)
	returned := time.Since(m.began)
	if err != nil {
		return // it found nothing out
	}
	for name := range m.chains {
		op := check.Op{Client: m.number, Object: groupNamed(name), Call: called, Return: returned}
		found := check.Read{}
		if i := slices.IndexFunc(all, func(g client.GroupSummary) bool { return g.Name == name }); i >= 0 {
			found.Length = all[i].Length
		}
		op.What = found
		if m.chains[name].Len() > 0 {
			m.add(op)
		}
	}
}

// putMail leaves a letter for another member.
func (m *member) putMail(ctx context.Context) {
	to := m.other()
	letter := client.Letter{To: to.host.ID(), Envelope: make([]byte, envelope)}
	for i := range letter.ID {
		letter.ID[i] = byte(m.rng.IntN(256))
	}
	what := check.Put{Letter: text(letter.ID[:])}
	m.ask(ctx, asking{m.number, mailOf(to.account), what, []error{wire.ErrFull, wire.ErrTooMany}}, func(ctx context.Context) (any, error) {
		errs, err := m.PutMail(ctx, to.account, []client.Letter{letter})
		if err == nil {
			err = errs[0]
		}
		return nil, err
	})
}

// fetchMail finds what waits, and mostly removes what it has seen.
func (m *member) fetchMail(ctx context.Context) {
	what := check.Fetch{Taken: m.asked}
	if m.rng.IntN(3) > 0 {
		what.Taken, what.Took = m.seen, m.seen > m.asked
	}
	m.asked = max(m.asked, what.Taken)
	m.ask(ctx, asking{m.number, mailOf(m.account), what, nil}, func(ctx context.Context) (any, error) {
		letters, err := fetchAll(ctx, m.Client, what.Taken)
		if err != nil {
			return nil, err
		}
		what.Letters = letters
		if len(letters) > 0 {
			m.seen = max(m.seen, letters[len(letters)-1].Number)
		}
		return what, nil
	})
}

func fetchAll(ctx context.Context, c *client.Client, taken uint64) ([]check.Letter, error) {
	mail, more, err := c.FetchMail(ctx, taken, taken)
	if err == nil && more {
		err = fmt.Errorf("more than a page of %d letters", len(mail))
	}
	var letters []check.Letter
	for _, l := range mail {
		letters = append(letters, check.Letter{Number: l.Number, ID: text(l.ID[:])})
	}
	return letters, err
}

// lookUp looks up one of the newest names that are raced for.
func (m *member) lookUp(ctx context.Context) {
	account := m.world.name(m.rng.IntN(2))
	m.ask(ctx, asking{m.number, nameOf(account), check.LookUp{}, nil}, func(ctx context.Context) (any, error) {
		return lookUp(ctx, m.Client, account)
	})
}

func lookUp(ctx context.Context, c *client.Client, account record.Account) (any, error) {
	found, err := c.LookUp(ctx, account)
	if isOneOf(err, []error{wire.ErrNoAccount}) {
		return check.LookUp{}, nil
	}
	if err != nil {
		return nil, err
	}
	return check.LookUp{Owner: text(found.Identity)}, nil
}
