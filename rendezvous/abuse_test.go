package rendezvous_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// bystanders are people who use the servers while somebody else abuses them: bob
// watches carol, writes to her, and logs in on further devices.
type bystanders struct {
	*world
	bob, carol *node
	seq        uint64 // of carol's last announcement
	letters    uint64 // that carol has taken
}

func (w *world) bystanders(ctx context.Context) *bystanders {
	w.Helper()
	b := &bystanders{world: w, bob: w.nodeAt(0), carol: w.member(0, "carol")}
	if err := b.bob.enrol(ctx, "bob", "1"); err != nil { // with a true password
		w.Fatal(err)
	}
	b.bob.Watch([]record.Account{b.carol.account})
	b.bob.Attend(true)
	next[client.Resync](b.bob)
	return b
}

// noticeNothing fails the test unless everything goes on for them: a look-up, a letter,
// beats that bring news, and, if newcomers are not held up, a login. Beats get another
// chance, since where the machine is too busy a stream may end.
func (b *bystanders) noticeNothing(ctx context.Context, newcomers bool) {
	b.Helper()
	heard := b.goOn(ctx)
	if heard = heard || b.goOn(ctx); !heard {
		b.Error("bob's beats ended twice")
	}
	if newcomers {
		b.logsIn(ctx)
	}
}

func (b *bystanders) goOn(ctx context.Context) (heard bool) {
	b.Helper()
	if _, err := b.bob.LookUp(ctx, b.carol.account); err != nil {
		b.Errorf("bob looks carol up: %v", err)
	}
	b.bob.put(ctx, b.carol, letterTo(b.carol, byte(b.letters), "hello"))
	mail, _, err := b.carol.FetchMail(ctx, b.letters, 0)
	if err != nil || len(mail) != 1 || string(mail[0].Envelope) != "hello" {
		b.Errorf("carol has %v, %v", mail, err)
	}
	b.letters++
	b.seq++
	if err := b.carol.Announce(ctx, b.carol.whereabouts(b.seq)); err != nil {
		b.Errorf("carol announces herself: %v", err)
	}
	return b.hears(b.seq)
}

// hears waits until bob hears of an announcement, or begins a new beat stream.
func (b *bystanders) hears(seq uint64) bool {
	b.Helper()
	after := time.After(harness.Timeout)
	for {
		select {
		case notice := <-b.bob.Notices():
			switch n := notice.(type) {
			case client.PeerUp:
				if n.Presence.Seq == seq {
					return true
				}
			case client.Resync:
				return false
			case client.Dismissed:
				b.Errorf("bob is dismissed: %v", n.Err)
			}
		case <-after:
			b.Fatal("bob never hears of carol")
		}
	}
}

// logsIn logs bob in on a new device, and out again.
func (b *bystanders) logsIn(ctx context.Context) {
	b.Helper()
	third := b.nodeAt(0)
	if err := third.login(ctx, b.bob.account); err != nil {
		b.Fatalf("bob logs in on another device: %v", err)
	}
	found, err := third.LookUp(ctx, b.bob.account)
	if err != nil {
		b.Fatalf("the new device looks itself up: %v", err)
	}
	out := found.Log.Next(record.RevokeDevice, third.host.ID(), "", time.Now()).Sign(third.identity)
	if err := third.AppendDevice(ctx, b.bob.account, out); err != nil {
		b.Errorf("the new device logs out: %v", err)
	}
	third.stop()
	third.host.Close()
}

// refusals returns how often a limit turned somebody away at the first server.
func (w *world) refusals(limit string) int {
	w.Helper()
	_, metrics := w.get(0, "/metrics")
	for line := range bytes.Lines(metrics) {
		if count, found := bytes.CutPrefix(line, fmt.Appendf(nil, "tryst_rendezvous_refusals_total{limit=%q} ", limit)); found {
			n, err := strconv.ParseFloat(strings.TrimSpace(string(count)), 64)
			if err != nil {
				w.Fatal(err)
			}
			return int(n)
		}
	}
	w.Fatalf("%q is not counted", limit)
	return 0
}

// Each limit holds, whoever exceeds it is told so and counted, and meanwhile others
// notice nothing.
func TestAbuse(t *testing.T) {
	w := newWorldOf(t, 1, rendezvous.Config.WithFewRequests)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := w.bystanders(ctx)
	for _, limit := range quota.Table() {
		if limit.At == quota.AtBalancer {
			continue
		}
		t.Run(limit.Name, func(t *testing.T) {
			c, there := abuses[limit.Name]
			if !there {
				t.Fatal("nobody exceeds it")
			}
			if c.alone != nil {
				c.alone(t)
				return
			}
			at, others := w, b
			if c.own {
				at = newWorld(t, 1)
				others = at.bystanders(ctx)
			}
			at.within(t, func() { (&abuser{world: at, ctx: ctx, limit: limit}).exceed(c, others) })
		})
	}
}

// within has a subtest use a world that outlives it.
func (w *world) within(t *testing.T, f func()) {
	outer := w.TB
	w.TB = t
	defer func() { w.TB = outer }()
	f()
}

// abuser exceeds one limit.
type abuser struct {
	*world
	ctx   context.Context
	limit quota.Limit
}

// exceed has a limit exceeded, and exceeded again for as long as others go on.
func (a *abuser) exceed(c abuse, b *bystanders) {
	a.Helper()
	counted := a.limit.At == quota.AtServer
	before := 0
	if counted {
		before = a.refusals(a.limit.Name)
	}
	more, end := c.start(a)
	if end == nil {
		end = func() {}
	}
	end = sync.OnceFunc(end)
	defer end()
	over := make(chan struct{})
	refused := make(chan struct{})
	var abusing sync.WaitGroup
	abusing.Go(func() {
		told := false
		for {
			select {
			case <-over:
				return
			default:
			}
			err := more()
			if err == nil || told { // who goes on may also be refused by other limits
				continue
			}
			told = true
			close(refused)
			words := true // a connection or a stream is only cut
			if errors.Is(c.want, wire.ErrTooMany) {
				words = strings.Contains(wire.Words(err), a.limit.Name)
			}
			if c.want != nil && !errors.Is(err, c.want) || !words {
				a.Errorf("the abuser is told %v, want %v", err, c.want)
			}
		}
	})
	harness.Receive(a, "a refusal", refused)
	b.noticeNothing(a.ctx, !c.holdsUp)
	close(over)
	abusing.Wait()
	if counted && a.refusals(a.limit.Name) <= before {
		a.Error("no refusal was counted")
	}
	end()
	if c.holdsUp {
		b.logsIn(a.ctx)
	}
}

// ask asks the first server without a client, which would wait.
func (a *abuser) ask(n *node, req *pb.Request) error {
	resp, err := exchange(a.ctx, n.host, a.servers[0].ID(), req)
	if err != nil {
		return err
	}
	for _, code := range resp.GetMailPut().GetCodes() {
		if code != 0 {
			return wire.ErrorOf(code)
		}
	}
	return nil
}

// sixteen asks the same n times, sixteen at a time, until it is refused.
func (a *abuser) sixteen(n int, ask func() error) func() error {
	return func() error {
		var group sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			group.Go(func() {
				for range n / len(errs) {
					if errs[i] = ask(); errs[i] != nil && wire.Words(errs[i]) != "" && errors.Is(errs[i], wire.ErrTooMany) {
						return
					}
					errs[i] = nil
				}
			})
		}
		group.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// family makes an account with so many devices.
func (a *abuser) family(name string, devices int) (all []*node) {
	a.Helper()
	all = append(all, a.member(0, name))
	for range devices - 1 {
		n := a.nodeAt(0)
		if err := all[0].add(a.ctx, n); err != nil {
			a.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// Hundreds of devices that sign up at once hold up nobody who is logged in.
func TestFloodOfSignUps(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	b := w.bystanders(ctx)
	const flood = 200
	opaqueRecord, err := anyRecord()
	if err != nil {
		t.Fatal(err)
	}
	var signingUp sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range flood {
		signingUp.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p := newStudent(t, fmt.Sprintf("student%d-", i))
			if err := p.host.Connect(ctx, peer.AddrInfo{ID: w.servers[0].ID(), Addrs: w.made.Servers[0].Addresses}); err != nil {
				t.Error(err)
				return
			}
			if _, err := exchange(ctx, p.host, w.servers[0].ID(), p.signUp(opaqueRecord)); err != nil {
				t.Errorf("student %d: %v", i, err)
			}
		})
	}
	b.noticeNothing(ctx, true)
	signingUp.Wait()
	b.noticeNothing(ctx, true)
}

// readAll reads frames until one says why a stream ends, or it does.
func readAll(s *bufio.Reader) error {
	frames := wire.NewReader(s, wire.MaxBeat)
	for {
		frame := new(pb.Beat)
		if err := frames.Read(frame); err != nil {
			return err
		}
		if err := wire.FromWire(frame.GetError()); err != nil {
			return err
		}
	}
}

// idleStrangers connect to a server that has hardly any room. Before it has none they
// give way, and whoever is logged in stays.
func idleStrangers(t *testing.T) {
	const room = 40
	w := newWorldOf(t, 1, func(c rendezvous.Config) rendezvous.Config { return c.WithRoom(room) })
	ctx := t.Context()
	b := w.bystanders(ctx)
	b.carol.Attend(true)
	next[client.Resync](b.carol)
	// More are logged in than there may be strangers.
	for i := range room * 5 / 8 {
		m := w.member(0, fmt.Sprint("member", i))
		m.Attend(true)
		next[client.Resync](m)
	}
	stays := b.bob.host.Network().ConnsToPeer(w.servers[0].ID())[0]
	many := room * quota.IdleConns.Burst / quota.ServerConns
	for range 3 {
		for w.servers[0].Conns() < many+2 { // there is room for these
			h := newHost(t, directorytest.NewKey(), false)
			if err := h.Connect(ctx, peer.AddrInfo{ID: w.servers[0].ID(), Addrs: w.made.Servers[0].Addresses}); err != nil {
				t.Fatal(err)
			}
			for range 4 { // and looks busier than anybody who is logged in
				s, err := h.Network().NewStream(ctx, w.servers[0].ID()) // of no protocol yet
				if err != nil {
					t.Fatal(err)
				}
				s.Write([]byte{1})
			}
		}
		harness.Await(t, "strangers that give way", func() bool { return w.servers[0].Conns() < many })
		b.noticeNothing(ctx, true)
	}
	if stays.IsClosed() {
		t.Error("bob, who is logged in, was cut off")
	}
	if n := w.refusals("connections of all, or from one address"); n > 0 {
		t.Errorf("%d connections were refused", n)
	}
}
