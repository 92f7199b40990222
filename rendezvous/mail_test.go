package rendezvous_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/testnet/harness"
)

func letterTo(n *node, id byte, text string) client.Letter {
	return client.Letter{ID: [16]byte{id}, To: n.host.ID(), Envelope: []byte(text)}
}

// put puts letters to somebody's device, all of which must be kept.
func (n *node) put(ctx context.Context, to *node, letters ...client.Letter) {
	n.Helper()
	errs, err := n.PutMail(ctx, to.account, letters)
	if err = errors.Join(append(errs, err)...); err != nil || len(errs) != len(letters) {
		n.Fatalf("put: %d results, %v", len(errs), err)
	}
}

// fetch fetches what waits for a device, in words.
func (n *node) fetch(ctx context.Context, taken, after uint64) (words string) {
	n.Helper()
	mail, more, err := n.FetchMail(ctx, taken, after)
	if err != nil {
		n.Fatal(err)
	}
	return inWords(mail, more)
}

func (n *node) fetchGroup(ctx context.Context, id record.GroupID, taken, after uint64) string {
	n.Helper()
	mail, more, err := n.FetchGroupMail(ctx, id, taken, after)
	if err != nil {
		n.Fatal(err)
	}
	return inWords(mail, more)
}

func inWords(mail []client.Mail, more bool) (words string) {
	for _, m := range mail {
		words += fmt.Sprintf("%d %s %d %s|", m.Number, m.From, m.ID[0], m.Envelope)
	}
	if more {
		words += "..."
	}
	return words
}

// A letter outlives its sender, and the server that it was put at.
func TestMailOutlivesSenderAndServer(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	alice, bob := w.member(0, "alice"), w.member(1, "bob")
	bob.stop() // he is away

	alice.put(ctx, bob, letterTo(bob, 1, "hello"), letterTo(bob, 2, "there"))
	alice.put(ctx, bob, letterTo(bob, 2, "there"), letterTo(bob, 3, "bob"))
	alice.stop()
	w.stops[0]()

	bob = w.again(2, bob)
	bob.Attend(true)
	next[client.MailWaiting](bob)
	// He has seen nothing that his server must have reached: it may lag behind.
	harness.Await(t, "all letters", func() bool { return bob.fetch(ctx, 0, 0) == "1 alice1 1 hello|2 alice1 2 there|3 alice1 3 bob|" })
	if got := bob.fetch(ctx, 0, 2); got != "3 alice1 3 bob|" {
		t.Errorf("after 2 bob fetches %q", got)
	}
	if got := bob.fetch(ctx, 2, 0); got != "3 alice1 3 bob|" {
		t.Errorf("having taken 2 bob fetches %q", got)
	}
	bob = w.again(1, bob) // a new client, whose server may lag behind
	harness.Await(t, "the same at another server", func() bool { return bob.fetch(ctx, 0, 0) == "3 alice1 3 bob|" })
}

// again is the device of a node once more, at a certain server.
func (w *world) again(server int, n *node) *node {
	w.Helper()
	n.stop()
	n.host.Close()
	w.prefer(server)
	back := w.nodeWith(n.key)
	back.account, back.identity = n.account, n.identity
	if linked := next[client.Linked](back); linked.Server != w.made.Servers[server].Name {
		w.Fatalf("linked to %s", linked.Server)
	}
	return back
}

// Letters are put while the leader stops: none of those that were acknowledged is
// lost, and none comes twice.
func TestMailWhileTheLeaderStops(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	leader := w.leader()
	alice, bob := w.member((leader+1)%3, "alice"), w.member((leader+2)%3, "bob")

	var put sync.WaitGroup
	first := make(chan struct{}, 200)
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("letter %d", i))
	}
	put.Go(func() {
		for i, text := range want {
			if errs, err := alice.PutMail(ctx, bob.account, []client.Letter{letterTo(bob, byte(i), text)}); err != nil || errs[0] != nil {
				t.Errorf("letter %d: %v, %v", i, errs, err)
			}
			first <- struct{}{}
		}
	})
	<-first
	w.stops[leader]()
	put.Wait()

	seen := make(map[string]int)
	var after uint64
	harness.Await(t, "the last letter", func() bool {
		mail, _, err := bob.FetchMail(ctx, after, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mail {
			seen[string(m.Envelope)]++
			after = m.Number
		}
		return seen[want[len(want)-1]] > 0
	})
	for _, text := range want {
		if seen[text] != 1 {
			t.Errorf("%q came %d times", text, seen[text])
		}
	}
	if after != uint64(len(want)) {
		t.Errorf("the last number is %d", after)
	}
}

func TestMailForOthers(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice, bob, mallory := w.member(0, "alice"), w.member(0, "bob"), w.member(0, "mallory")
	phone := w.nodeAt(0)
	if err := bob.add(ctx, phone); err != nil {
		t.Fatal(err)
	}
	alice.put(ctx, bob, letterTo(bob, 1, "to the laptop"), letterTo(phone, 1, "to the phone"))
	if got := mallory.fetch(ctx, 9, 0); got != "" {
		t.Errorf("mallory fetches %q", got)
	}
	if got := phone.fetch(ctx, 0, 0); got != "1 alice1 1 to the phone|" {
		t.Errorf("the phone fetches %q", got)
	}
	errs, err := alice.PutMail(ctx, bob.account, []client.Letter{letterTo(mallory, 2, "x"), letterTo(bob, 2, "y"), {To: bob.host.ID(), Envelope: make([]byte, wire.MaxEnvelope+1)}})
	if err != nil || !errors.Is(errs[0], wire.ErrRefused) || errs[1] != nil || !errors.Is(errs[2], wire.ErrTooLarge) {
		t.Errorf("to another's device, to his own, and too large: %v, %v", errs, err)
	}
	if errs, err := alice.PutMail(ctx, "nobody1", []client.Letter{letterTo(bob, 2, "x")}); !errors.Is(err, wire.ErrNoAccount) || !errors.Is(errs[0], wire.ErrNoAccount) {
		t.Errorf("to nobody: %v, %v", errs, err)
	}
	stranger := w.nodeAt(0)
	if _, _, err := stranger.FetchMail(ctx, 0, 0); !errors.Is(err, wire.ErrNotLoggedIn) {
		t.Errorf("a stranger fetches: %v", err)
	}
	if _, err := stranger.PutMail(ctx, bob.account, []client.Letter{letterTo(bob, 9, "x")}); !errors.Is(err, wire.ErrNotLoggedIn) {
		t.Errorf("a stranger puts: %v", err)
	}

	found, err := alice.LookUp(ctx, bob.account)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.AppendDevice(ctx, bob.account, found.Log.Next(record.RevokeDevice, phone.host.ID(), "", time.Now()).Sign(bob.identity)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := phone.FetchMail(ctx, 0, 0); !errors.Is(err, wire.ErrNotLoggedIn) {
		t.Errorf("a revoked device fetches: %v", err)
	}
	if totals := w.status(0); totals.Letters != 2 {
		t.Errorf("%d letters wait, want the laptop's two", totals.Letters)
	}
}

// Fetching costs no entry of the replicated log unless something is taken.
func TestFetchingIsARead(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice, bob := w.member(0, "alice"), w.member(0, "bob")
	alice.put(ctx, bob, letterTo(bob, 1, "hello"))
	before := w.status(0).Log
	for range 3 {
		bob.fetch(ctx, 0, 0)
	}
	if after := w.status(0).Log; after != before {
		t.Errorf("fetching made %d entries", after-before)
	}
	bob.fetch(ctx, 1, 0)
	bob.fetch(ctx, 1, 0) // nothing left to take
	if after := w.status(0).Log; after != before+1 {
		t.Errorf("taking made %d entries", after-before)
	}
}

// Whoever waits for mail is told at once, at whatever server, and finds there
// what it was told of.
func TestMailNotices(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	alice, bob := w.member(0, "alice"), w.member(1, "bob")
	bob.Attend(true)
	next[client.Resync](bob)
	var taken uint64
	for i := range byte(20) {
		alice.put(ctx, bob, letterTo(bob, i, "x"))
		if _, told := hear[client.MailWaiting](bob); !told {
			continue // he has just found another server
		}
		mail, _, err := bob.FetchMail(ctx, taken, 0)
		if err != nil || len(mail) == 0 {
			t.Fatalf("told of letter %d, bob finds %d, %v", i, len(mail), err)
		}
		taken = mail[len(mail)-1].Number
	}
}

// More than a page, and more than a request, in both directions.
func TestMailInParts(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice, bob := w.member(0, "alice"), w.member(0, "bob")
	var letters []client.Letter
	for i := range byte(7) {
		letters = append(letters, client.Letter{ID: [16]byte{i}, To: bob.host.ID(), Envelope: bytes.Repeat([]byte{i}, wire.MaxEnvelope)})
	}
	for i := range 300 {
		letters = append(letters, client.Letter{ID: [16]byte{9, byte(i), byte(i >> 8)}, To: bob.host.ID(), Envelope: []byte{byte(i)}})
	}
	alice.put(ctx, bob, letters...)
	var got []client.Mail
	pages, after := 0, uint64(0)
	for more := true; more; pages++ {
		var page []client.Mail
		var err error
		if page, more, err = bob.FetchMail(ctx, 0, after); err != nil {
			t.Fatal(err)
		}
		got = append(got, page...)
		after = got[len(got)-1].Number
	}
	if len(got) != len(letters) || pages < 2 || pages > 4 {
		t.Fatalf("%d letters on %d pages", len(got), pages)
	}
	for i, m := range got {
		if m.ID != letters[i].ID || !bytes.Equal(m.Envelope, letters[i].Envelope) {
			t.Fatalf("letter %d is another one", i)
		}
	}
}

func TestMailIsLimited(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice, bob, carol := w.member(0, "alice"), w.member(0, "bob"), w.member(0, "carol")
	many := func(n int, id byte) (letters []client.Letter) {
		for i := range n {
			letters = append(letters, client.Letter{ID: [16]byte{id, byte(i), byte(i >> 8)}, To: bob.host.ID(), Envelope: []byte{1}})
		}
		return letters
	}
	errs, err := alice.PutMail(ctx, bob.account, many(501, 1))
	if err != nil || errs[499] != nil || !errors.Is(errs[500], wire.ErrFull) {
		t.Errorf("half a mailbox and one more: %v, %v, %v", errs[499], errs[500], err)
	}
	if errs, err := alice.PutMail(ctx, bob.account, many(900, 1)); !errors.Is(err, wire.ErrTooMany) || !errors.Is(errs[899], wire.ErrTooMany) || errs[0] != nil {
		t.Errorf("too many in a short time: %v", err)
	}
	carol.put(ctx, bob, many(1, 1)...)

	w.disk.Store(&rendezvous.Disk{Size: 100 << 30, Free: 15 << 30})
	if errs, err := carol.PutMail(ctx, bob.account, many(1, 2)); !errors.Is(err, wire.ErrNoSpace) || !errors.Is(errs[0], wire.ErrNoSpace) || !strings.Contains(err.Error(), "85 % full") {
		t.Errorf("a full disk: %v, %v", errs, err)
	}
	if status := w.status(0); !strings.Contains(status.NoMail, "85 % full") || !status.Ready {
		t.Errorf("the status of a full disk: %+v", status)
	}
	if got := bob.fetch(ctx, 500, 0); got != "501 carol1 1 \x01|" {
		t.Errorf("from a full disk bob fetches %q", got)
	}
	w.disk.Store(&rendezvous.Disk{Size: 100 << 40, Free: 15 << 40}) // as full, but not short of room
	carol.put(ctx, bob, many(1, 2)...)
	_, metrics := w.get(0, "/metrics")
	for _, line := range []string{
		`tryst_rendezvous_letters_total{kind="direct",outcome="it is full"} `,
		`tryst_rendezvous_letters_total{kind="direct",outcome="the servers have no room for mail"} 1`,
		"tryst_rendezvous_mail_letters 2\n", "tryst_rendezvous_mail_bytes 2\n", "tryst_rendezvous_mail_refused 0\n",
	} {
		if !bytes.Contains(metrics, []byte(line)) {
			t.Errorf("no %s", line)
		}
	}
}

func TestGroupMail(t *testing.T) {
	w := newWorld(t, 3)
	ctx := harness.Within(t)
	alice, bob, carol := w.member(0, "alice"), w.member(1, "bob"), w.member(2, "carol")
	mallory := w.member(1, "mallory")
	id := record.NewGroupID()
	if err := alice.AppendGroup(ctx, alice.newGroup("chess", id)); err != nil {
		t.Fatal(err)
	}
	for i, n := range []*node{bob, carol} {
		harness.Await(t, "the chain so far", func() bool { return n.chain("chess").Len() == uint64(i+1) })
		if err := n.AppendGroup(ctx, n.chain("chess").Next(record.JoinGroup, n.account, n.host.ID(), time.Now()).Sign(n.key)); err != nil {
			t.Fatal(err)
		}
	}
	bob.Attend(true)
	next[client.Resync](bob)
	all := []peer.ID{bob.host.ID(), carol.host.ID(), mallory.host.ID()}
	letters := []client.GroupLetter{{ID: [16]byte{1}, For: all, Message: []byte("hello")}, {ID: [16]byte{2}, For: all[1:], Message: []byte("all")}, {ID: [16]byte{3}, For: all[2:], Message: []byte("x")}}
	errs, err := alice.PutGroupMail(ctx, id, letters)
	if err != nil || errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], wire.ErrRefused) {
		t.Fatalf("put: %v, %v", errs, err)
	}
	if told, ok := hear[client.GroupMailWaiting](bob); ok && told.Group != id {
		t.Errorf("told of mail in another group: %v", told.Group)
	}
	alice.stop()
	harness.Await(t, "the letter at bob's server", func() bool { return bob.fetchGroup(ctx, id, 0, 0) == "1 alice1 1 hello|" })
	harness.Await(t, "the letters at carol's server", func() bool { return carol.fetchGroup(ctx, id, 0, 0) == "1 alice1 1 hello|2 alice1 2 all|" })
	if got := carol.fetchGroup(ctx, id, 1, 0); got != "2 alice1 2 all|" {
		t.Errorf("having taken one carol fetches %q", got)
	}
	if got := bob.fetch(ctx, 0, 0); got != "" {
		t.Errorf("bob's own mail: %q", got)
	}
	if _, _, err := mallory.FetchGroupMail(ctx, id, 9, 0); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("one who is no member fetches: %v", err)
	}
	if errs, err := mallory.PutGroupMail(ctx, id, letters[:1]); !errors.Is(err, wire.ErrRefused) || !errors.Is(errs[0], wire.ErrRefused) {
		t.Errorf("one who is no member puts: %v, %v", errs, err)
	}
	if _, _, err := bob.FetchGroupMail(ctx, record.NewGroupID(), 0, 0); !errors.Is(err, wire.ErrNoGroup) {
		t.Errorf("no group: %v", err)
	}
	if err := carol.AppendGroup(ctx, carol.chain("chess").Next(record.LeaveGroup, carol.account, carol.host.ID(), time.Now()).Sign(carol.key)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := carol.FetchGroupMail(ctx, id, 0, 0); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("one who left fetches: %v", err)
	}
}

// What waits in groups for a device goes when the device is revoked.
func TestGroupMailOfARevokedDevice(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	alice := w.member(0, "alice")
	phone := w.nodeAt(0)
	if err := alice.add(ctx, phone); err != nil {
		t.Fatal(err)
	}
	id := record.NewGroupID()
	if err := alice.AppendGroup(ctx, alice.newGroup("chess", id)); err != nil {
		t.Fatal(err)
	}
	letter := client.GroupLetter{ID: [16]byte{1}, For: []peer.ID{phone.host.ID()}, Message: []byte("hello")}
	if errs, err := alice.PutGroupMail(ctx, id, []client.GroupLetter{letter}); err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	if status := w.status(0); status.GroupLetters != 1 {
		t.Fatalf("%d letters wait", status.GroupLetters)
	}
	found, err := alice.LookUp(ctx, alice.account)
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.AppendDevice(ctx, alice.account, found.Log.Next(record.RevokeDevice, phone.host.ID(), "", time.Now()).Sign(alice.identity)); err != nil {
		t.Fatal(err)
	}
	if status := w.status(0); status.GroupLetters != 0 || status.GroupBytes != 0 {
		t.Errorf("%d letters wait for a revoked device", status.GroupLetters)
	}
	if errs, err := alice.PutGroupMail(ctx, id, []client.GroupLetter{letter}); err != nil || !errors.Is(errs[0], wire.ErrRefused) {
		t.Errorf("for a revoked device: %v, %v", errs, err)
	}
}

// get asks a server's operator's port.
func (w *world) get(server int, path string) (int, []byte) {
	w.Helper()
	resp, err := http.Get("http://" + w.servers[server].MetricsAddr() + path)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, body
}

func (w *world) status(server int) (status rendezvous.Status) {
	w.Helper()
	_, body := w.get(server, "/status")
	if err := json.Unmarshal(body, &status); err != nil {
		w.Fatal(err)
	}
	return status
}

// leader returns the number of the server that leads.
func (w *world) leader() (leader int) {
	w.Helper()
	harness.Await(w, "a leader", func() bool {
		for i, s := range w.servers {
			if status, err := s.Status(); err == nil && status.State == "leader" {
				leader = i
				return true
			}
		}
		return false
	})
	return leader
}
