package group

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/node/crypto/senderkey"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// TestModel lets the devices of a group talk over a network that loses, doubles and
// reorders messages, delays sender keys, and starts new epochs in between; now and
// then one asks another for what it lacks. Members leave, are removed, and come back;
// while they are gone their devices go on listening, and talking, with all that they
// have; who may come back into a private group is up to its admins. The model is a set:
// who has been given which message.
//
// Every message opens at most once at each device, as its author's and unchanged, and
// only where its author took the account for a member as it spoke: nothing from
// before somebody joined, and nothing after they were seen to be gone. In the end,
// when all keys have come and everybody has asked everybody, every message between
// those who were never gone has opened, whatever was lost.
func TestModel(t *testing.T) {
	selves := []Self{newSelf(t, "alice1"), newSelf(t, "bob2"), newSelf(t, "bob2"), newSelf(t, "carol3")}
	stranger := newSelf(t, "eve4")
	rapid.Check(t, func(r *rapid.T) {
		settings := record.Settings{Private: rapid.Bool().Draw(r, "private")}
		n := &network{circle: newCircleWith(t, settings, selves...), opened: make(map[arrival]bool), secrets: make(map[uint64]secretOf), logs: make([][]Sealed, len(selves)), audience: make(map[string][]record.Account), wasGone: make(map[record.Account]bool)}
		n.longest, n.servers = n.states[0].Statements(), n.states[0].Chain()
		r.Repeat(map[string]func(*rapid.T){
			"send":     func(r *rapid.T) { n.speak(r, device(r)) },
			"arrive":   func(r *rapid.T) { n.arrive(r, rapid.Bool().Draw(r, "again")) },
			"lose":     func(r *rapid.T) { n.lose(r) },
			"overhear": func(r *rapid.T) { n.overhear(r, device(r)) },
			"key":      func(r *rapid.T) { n.bringKey(r) },
			"rekey":    func(r *rapid.T) { n.rekey(r, device(r)) },
			"catchUp":  func(r *rapid.T) { n.catchUp(r, device(r)) },
			"leave":    func(r *rapid.T) { n.leave(r, device(r)) },
			"remove":   func(r *rapid.T) { n.remove(r, device(r), n.selves[device(r)].Account) },
			"invite":   func(r *rapid.T) { n.invite(r, device(r), n.selves[device(r)].Account) },
			"promote":  func(r *rapid.T) { n.promote(r, device(r), n.selves[device(r)].Account) },
			"return":   func(r *rapid.T) { n.comeBack(r, device(r)) },
			"repair":   func(r *rapid.T) { n.repair(r, device(r), device(r)) },
			"restart":  func(r *rapid.T) { n.restart(r, device(r)) },
			"stranger": func(r *rapid.T) {
				if len(n.air) == 0 {
					r.Skip()
				}
				p := n.air[0]
				if _, delivered, _, err := n.states[p.to].Receive(stranger.Member, p.bytes); len(delivered) != 0 || !errors.Is(err, ErrNotMember) {
					r.Fatalf("a stranger was heard: %v", err)
				}
			},
			"": func(r *rapid.T) { n.check(r) },
		})
		n.settle(r)
	})
}

func device(r *rapid.T) int { return rapid.IntRange(0, 3).Draw(r, "device") }

// network is a circle and what is on its way in it.
type network struct {
	*circle
	air      []packet
	past     []packet // everything that was ever on its way
	keys     []handing
	said     []saying
	logs     [][]Sealed                  // by device, what it can pass on
	audience map[string][]record.Account // of each message: the members as its author knew them
	wasGone  map[record.Account]bool     // for a while, or for good
	opened   map[arrival]bool
	longest  [][]byte     // the chain as the servers have it
	servers  record.Chain // of longest
	secrets  map[uint64]secretOf
}

// secretOf is a device that has an epoch's secret.
type secretOf int

type saying struct {
	from int
	text string
}

type packet struct {
	from, to int
	bytes    []byte
	text     string
}

type handing struct {
	from, to int
	epoch    uint64
	key      []byte
}

type arrival struct {
	to   int
	text string
}

func (n *network) speak(r *rapid.T, from int) {
	text := fmt.Sprintf("%d says %d", from, len(n.said))
	n.said = append(n.said, saying{from, text})
	epoch := n.states[from].Epoch()
	s, out, err := n.states[from].Send(n.selves[from], []byte(text), members(n.selves...))
	if err != nil {
		r.Fatal(err)
	}
	n.states[from] = s
	n.audience[text] = s.Chain().Members()
	n.logs[from] = append(n.logs[from], out.Sealed)
	for to, self := range n.selves {
		if key, ok := out.SenderKeys[self.Device]; ok {
			n.keys = append(n.keys, handing{from, to, epoch, key})
		}
		if p := (packet{from, to, out.Sealed.Message, text}); to != from {
			n.air, n.past = append(n.air, p), append(n.past, p)
			if !n.servers.Member(self.Account) { // nothing escapes who is gone
				n.deliver(r, p)
			}
		}
	}
}

// arrive brings any packet, and keeps a copy on its way if again.
func (n *network) arrive(r *rapid.T, again bool) {
	if len(n.air) == 0 {
		r.Skip()
	}
	i := rapid.IntRange(0, len(n.air)-1).Draw(r, "packet")
	p := n.air[i]
	if !again {
		n.air = append(n.air[:i:i], n.air[i+1:]...)
	}
	n.deliver(r, p)
}

func (n *network) deliver(r *rapid.T, p packet) {
	s, delivered, _, err := n.states[p.to].Receive(n.selves[p.from].Member, p.bytes)
	if n.gone(p.to, p.from, err) || errors.Is(err, senderkey.ErrBefore) && n.wasGone[n.selves[p.to].Account] {
		return
	}
	if err != nil {
		r.Fatalf("%q: %v", p.text, err)
	}
	n.states[p.to] = s
	n.note(r, p.to, delivered)
}

func (n *network) note(r *rapid.T, to int, delivered []Delivered) {
	for _, d := range delivered {
		a := arrival{to, string(d.Content)}
		var from, number int
		if _, err := fmt.Sscanf(a.text, "%d says %d", &from, &number); err != nil || d.From != n.selves[from].Member {
			r.Fatalf("%q came from %v", d.Content, d.From)
		}
		if n.opened[a] {
			r.Fatalf("%q opened twice at %d", d.Content, to)
		}
		if !slices.Contains(n.audience[a.text], n.selves[to].Account) {
			r.Fatalf("%q opened at %d, which was no member then", d.Content, to)
		}
		n.opened[a] = true
		n.logs[to] = append(n.logs[to], d.Sealed)
	}
}

// repair lets one device ask another for what it lacks. What the other has of it is
// new to the one, and opens.
func (n *network) repair(r *rapid.T, asks, answers int) {
	have := n.states[asks].Have()
	if asks == answers {
		if n.states[answers].Lacks(have) {
			r.Fatalf("device %d lacks what it has", asks)
		}
		return
	}
	if !n.states[answers].Chain().Member(n.selves[asks].Account) {
		return // not answered
	}
	for _, h := range have {
		for _, m := range n.logs[answers] {
			if m.Chain != h.Chain || m.Iteration < h.Next && !slices.Contains(h.Missing, m.Iteration) {
				continue
			}
			s, delivered, err := n.states[asks].Repair(m.Message)
			if errors.Is(err, ErrNotMember) && n.anybodyGone() {
				continue
			}
			if err != nil {
				r.Fatalf("a message that %d passes on to %d: %v", answers, asks, err)
			}
			if len(delivered) != 1 {
				r.Fatalf("%d has asked %d for a message that it has", asks, answers)
			}
			n.states[asks] = s
			n.note(r, asks, delivered)
		}
	}
}

// gone tells that a device was not heard because, for who hears it, it is gone.
func (n *network) gone(to, from int, err error) bool {
	return errors.Is(err, ErrNotMember) && !n.states[to].Chain().Member(n.selves[from].Account) && n.wasGone[n.selves[from].Account]
}

func (n *network) anybodyGone() bool { return len(n.wasGone) > 0 }

// upToDate skips a step for which a device must know the servers' chain to its end.
func (n *network) upToDate(r *rapid.T, i int) {
	if len(n.states[i].Statements()) < len(n.longest) {
		r.Skip()
	}
}

func (n *network) append(r *rapid.T, statement []byte) {
	n.longest = append(slices.Clip(n.longest), statement)
	var err error
	if n.servers, err = n.servers.Append(statement, n.acts); err != nil {
		r.Fatal(err)
	}
}

func (n *network) leave(r *rapid.T, i int) {
	n.upToDate(r, i)
	if len(n.states[i].Chain().Members()) == 1 {
		r.Skip()
	}
	n.wasGone[n.selves[i].Account] = true
	n.append(r, n.states[i].Leave(n.selves[i], now))
}

func (n *network) remove(r *rapid.T, i int, who record.Account) {
	n.upToDate(r, i)
	chain := n.states[i].Chain()
	if !chain.Admin(n.selves[i].Account) || who == n.selves[i].Account || !chain.Member(who) && !chain.Invited(who) {
		r.Skip()
	}
	if chain.Member(who) {
		n.wasGone[who] = true
	}
	n.append(r, n.states[i].Remove(n.selves[i], who, now))
}

func (n *network) invite(r *rapid.T, i int, who record.Account) {
	n.upToDate(r, i)
	chain := n.states[i].Chain()
	if !chain.Admin(n.selves[i].Account) || chain.Member(who) || chain.Invited(who) {
		r.Skip()
	}
	n.append(r, n.states[i].Invite(n.selves[i], who, now))
}

func (n *network) promote(r *rapid.T, i int, who record.Account) {
	n.upToDate(r, i)
	chain := n.states[i].Chain()
	if !chain.Admin(n.selves[i].Account) || !chain.Member(who) || chain.Admin(who) {
		r.Skip()
	}
	n.append(r, n.states[i].MakeAdmin(n.selves[i], who, now))
}

// comeBack lets an account join again, if it may, with a device that has forgotten the
// group.
func (n *network) comeBack(r *rapid.T, i int) {
	account := n.selves[i].Account
	var want error
	switch invited := n.servers.Invited(account); {
	case n.servers.Member(account):
		want = ErrMember
	case n.servers.Removed(account) && !invited:
		want = ErrRemoved
	case n.servers.Settings().Private && !invited:
		want = ErrNotInvited
	}
	statement, err := Join(n.longest, n.acts, n.selves[i], now)
	if !errors.Is(err, want) {
		r.Fatalf("%s joins: %v, want %v", account, err, want)
	}
	if want != nil {
		return
	}
	n.append(r, statement)
	if n.states[i], err = FromChain(n.longest, n.acts, n.selves[i].Member); err != nil {
		r.Fatal(err)
	}
}

// overhear brings a device anything that was ever said, whomever it was for.
func (n *network) overhear(r *rapid.T, to int) {
	if len(n.past) == 0 {
		r.Skip()
	}
	p := n.past[rapid.IntRange(0, len(n.past)-1).Draw(r, "past")]
	if p.to = to; p.from != to {
		n.deliver(r, p)
	}
}

func (n *network) lose(r *rapid.T) {
	if len(n.air) == 0 {
		r.Skip()
	}
	n.air = n.air[1:]
}

func (n *network) bringKey(r *rapid.T) {
	if len(n.keys) == 0 {
		r.Skip()
	}
	i := rapid.IntRange(0, len(n.keys)-1).Draw(r, "key")
	k := n.keys[i]
	s, delivered, err := n.states[k.to].AcceptSenderKey(n.selves[k.from].Member, k.epoch, k.key)
	switch {
	case errors.Is(err, ErrBehind):
		if k.epoch <= n.states[k.to].Epoch() {
			r.Fatal("behind, it says, and is not")
		}
		if n.servers.Member(n.selves[k.to].Account) {
			return // it comes again
		}
	case n.gone(k.to, k.from, err):
	case err != nil:
		r.Fatal(err)
	}
	n.keys = append(n.keys[:i:i], n.keys[i+1:]...)
	if err != nil {
		return // for good
	}
	n.states[k.to] = s
	n.note(r, k.to, delivered)
}

// rekey starts an epoch, if the device knows the servers' chain to its end.
func (n *network) rekey(r *rapid.T, i int) {
	n.upToDate(r, i)
	s, _, _, err := n.states[i].Rekey(n.selves[i], now)
	if err != nil {
		r.Fatal(err)
	}
	n.states[i] = s
	n.longest, n.servers = s.Statements(), s.Chain()
	n.secrets[s.Epoch()] = secretOf(i)
}

func (n *network) catchUp(r *rapid.T, i int) {
	if !n.servers.Member(n.selves[i].Account) {
		return // it would forget the group; but it goes on with what it has
	}
	s, _, err := n.states[i].Extend(n.longest, n.acts)
	if err != nil {
		r.Fatal(err)
	}
	if from, ok := n.secrets[s.Epoch()]; ok && s.Waiting() {
		secret, err := n.states[from].SecretFor(s.Epoch(), n.selves[i].Account)
		if errors.Is(err, ErrNoSecret) || errors.Is(err, ErrOver) || errors.Is(err, ErrNotMember) || errors.Is(err, ErrBehind) {
			n.states[i] = s
			return
		}
		if err != nil {
			r.Fatal(err)
		}
		if s, err = s.AcceptSecret(s.Epoch(), secret); err != nil {
			r.Fatal(err)
		}
	}
	n.states[i] = s
}

func (n *network) restart(r *rapid.T, i int) { n.states[i] = roundTrip(r, n.states[i], n.acts) }

// roundTrip stores a state and loads it again.
func roundTrip(t rapid.TB, s State, acts Acts) State {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Parse(b, s.Statements(), acts)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loaded.MarshalBinary()
	if err != nil || !bytes.Equal(b, again) {
		t.Fatalf("a state has two encodings: %v", err)
	}
	return loaded
}

// check holds after every step.
func (n *network) check(r *rapid.T) {
	if members, admins := n.servers.Members(), n.servers.Admins(); len(members) > 0 && len(admins) == 0 {
		r.Fatalf("nobody of %v is an admin", members)
	}
	for _, s := range n.states {
		roundTrip(r, s, n.acts)
		if len(s.buffered) > MaxBuffered || bufferedBytes(s.buffered) > MaxBufferedBytes || len(s.receivers) > MaxReceivers {
			r.Fatal("the state grows without bounds")
		}
	}
}

// settle brings all that is still under way. Then everything that arrived has opened,
// and once everybody has asked everybody everything else has too.
func (n *network) settle(r *rapid.T) {
	for i := range n.states {
		n.catchUp(r, i)
	}
	for len(n.keys) > 0 {
		n.bringKey(r)
	}
	for _, p := range n.air {
		n.deliver(r, p)
		if n.between(p.from, p.to) && !n.opened[arrival{p.to, p.text}] {
			r.Fatalf("%q arrived at %d, as did its key, and did not open", p.text, p.to)
		}
	}
	for i, s := range n.states {
		for _, b := range s.buffered {
			if !n.wasGone[b.from.Account] && !n.wasGone[n.selves[i].Account] {
				r.Fatalf("a message still waits at %d", i)
			}
		}
	}
	for asks := range n.states {
		for answers := range n.states {
			n.repair(r, asks, answers)
		}
	}
	for _, said := range n.said {
		for to := range n.states {
			if to != said.from && n.between(said.from, to) && !n.opened[arrival{to, said.text}] {
				r.Fatalf("%q never opened at %d", said.text, to)
			}
		}
	}
	for asks := range n.states {
		for answers := range n.states {
			if n.between(asks, answers) && !n.anybodyGone() && n.states[answers].Lacks(n.states[asks].Have()) {
				r.Fatalf("%d still lacks something of what %d has", answers, asks)
			}
		}
	}
}

// between tells that neither of two devices was ever gone.
func (n *network) between(a, b int) bool {
	return !n.wasGone[n.selves[a].Account] && !n.wasGone[n.selves[b].Account]
}
