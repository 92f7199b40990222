// Package node is a person's device: it signs up and logs in, sends and
// receives messages and files, and takes part in groups. It composes the pure
// protocol cores below it with the local store, the libp2p transport and the
// client of the rendezvous servers. The command line uses it, and so does
// everything else that wants to be a node; it prints nothing and asks nobody.
//
// Inside, a device holds the parts while somebody is logged in: people knows
// who others are, contacts whom of them the person lets in, courier brings what is in the outbox to other devices, inbox
// takes what they deliver, rooms are the groups, files sends and fetches. All of
// them change the store in transactions that carry what is to be done once they
// are on disk (see effects).
//
// # A home that was restored
//
// A home that somebody has put back from a copy, or uses in two places, goes on in
// sessions and chains of which others have seen more. So the servers count a device's
// starts, and each start names the number that its home knows (generation.go). If that
// is not the last one, everything begins anew (renewal.go): sessions, the envelopes of
// what waits, the own chains in groups, prekeys; members of groups are asked for the
// keys that the lost state was given; and the person is told, once. What groups said
// meanwhile comes from their members, as far as it was said in chains that the copy
// knows.
//
// Until the answer comes, for a few seconds, a device holds back what it would say, and
// puts off who sends what it cannot open. A device that finds no servers then speaks
// all the same. Direct messages in an old session are refused by the other side and
// stay in the outbox until a new one can begin; in groups a device that is not sure
// speaks in a chain of this run, so that nothing has a number that was heard before.
//
// What remains:
//   - A copy that is put back before the original has started again, or that runs while
//     the original does, is not noticed until the next start of either. Sessions heal
//     by refusals; what it says in groups in a chain that the others have heard more of
//     is lost until then.
//   - A copy that was made between a start's question and its answer passes for a
//     device that stopped there.
//   - Messages that were delivered to the lost state are on the senders' devices only.
//   - Each run that speaks in a group without having found a server begins a chain, and
//     others keep group.MaxChains of a device in an epoch: of the ones before, they can
//     be missing messages that come late.
//   - The servers are believed. They can hide that a home is an older one, and can make
//     a device renew one that is not, which costs new sessions and a false notice.
package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// eventQueue is how many events wait for their reader before the node waits too.
const eventQueue = 256

// Node is one device. Its methods may be called from any goroutine; they return
// errors of type *Error.
type Node struct {
	cfg    Config
	events chan Event
	quit   chan struct{} // closed by Close, before it waits for anything
	ending sync.Once

	// turn is held by what logs in or out, one at a time.
	turn sync.Mutex

	mu     sync.RWMutex // read-held while a method uses device
	device *device      // nil while nobody is logged in
	closed bool
}

// Open starts a node that nobody is logged in on. It makes Config.Home and does
// not touch the network.
func Open(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Home, 0o700); err != nil {
		return nil, fail(CodeInternal, err, "Choose another folder with --home.", "The folder %s cannot be used: %v.", cfg.Home, err)
	}
	return &Node{cfg: cfg, events: make(chan Event, eventQueue), quit: make(chan struct{})}, nil
}

// Events returns what happens; the reader must keep reading, since the node
// waits for it. It is closed when the node is.
func (n *Node) Events() <-chan Event { return n.events }

func (n *Node) emit(e Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	select {
	case n.events <- e:
	case <-n.quit:
	}
}

var errClosed = &Error{Code: CodeInternal, Message: "The node is closed."}

// SignUp creates an account and enters this device in it; it does not log in.
func (n *Node) SignUp(ctx context.Context, name, roll string, password []byte) (record.Account, error) {
	return n.SignUpInvited(ctx, name, roll, password, "")
}

// SignUpInvited is SignUp with an invitation, as a person types it; where the servers do
// not ask for one it stays good. Where they ask for work this takes as long as that does
// (EventWork tells how long that is), or until ctx ends.
func (n *Node) SignUpInvited(ctx context.Context, name, roll string, password []byte, invitation string) (record.Account, error) {
	n.turn.Lock()
	defer n.turn.Unlock()
	if err := checkPassword(password); err != nil {
		return "", err
	}
	return signUp(ctx, &n.cfg, name, roll, password, invitation, n.emit, n.quit)
}

func checkPassword(password []byte) error {
	if len(password) == 0 {
		return fail(CodeUsage, nil, "Choose one that nobody guesses.", "The password is empty.")
	}
	return nil
}

// Login logs in on the account. On a device that knows the account it needs no
// server.
func (n *Node) Login(ctx context.Context, account string, password []byte) (record.Account, error) {
	n.turn.Lock()
	defer n.turn.Unlock()
	if a, _, ok := n.Account(); ok {
		return "", fail(CodeLoggedIn, nil, "Type logout first, or start another tryst with another --home.", "You are logged in as %s already.", a)
	}
	if err := checkPassword(password); err != nil {
		return "", err
	}
	d, err := logIn(ctx, &n.cfg, account, password, n.emit)
	if err != nil {
		return "", explain(err, "log in")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return "", errors.Join(errClosed, d.close())
	}
	n.device = d
	return d.self.Account, nil
}

// Logout revokes this device and forgets its keys. Conversations stay on the
// disk, under the password.
func (n *Node) Logout(ctx context.Context) error {
	n.turn.Lock()
	defer n.turn.Unlock()
	d, done, err := n.use()
	if err != nil {
		return err
	}
	err = d.logOut(ctx)
	done()
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.device = nil
	n.mu.Unlock()
	if err := d.close(); err != nil {
		return explain(err, "end the session, although this device is logged out")
	}
	return nil
}

// use returns the device, which stays until done is called.
func (n *Node) use() (d *device, done func(), err error) {
	n.mu.RLock()
	switch {
	case n.closed:
		err = errClosed
	case n.device == nil:
		err = fail(CodeNotLoggedIn, nil, "Type: login <username+rollnumber> <password>", "You are not logged in.")
	}
	if err != nil {
		n.mu.RUnlock()
		return nil, nil, err
	}
	return n.device, n.mu.RUnlock, nil
}

// Account returns who is logged in, and on which device (a peer ID).
func (n *Node) Account() (account record.Account, device string, ok bool) {
	d, done, err := n.use()
	if err != nil {
		return "", "", false
	}
	defer done()
	return d.self.Account, d.self.Device.String(), true
}

// Send queues a text for an account and returns the message ID: it is on this
// device's disk. Events tell the rest.
func (n *Node) Send(ctx context.Context, to, text string) (string, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	id, err := d.send(ctx, to, text)
	return id.String(), err
}

// SendFile announces a file to an account and returns the message ID. The file is
// read once before that, and again as the other side fetches it: it must stay as
// it is until it is delivered.
func (n *Node) SendFile(ctx context.Context, to, path string) (string, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	id, err := d.files.send(ctx, to, path)
	return id.String(), err
}

// SendGroup sends a text to a group that this account is in.
func (n *Node) SendGroup(ctx context.Context, name, text string) (string, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	g, err := parseGroup(name)
	if err != nil {
		return "", err
	}
	id, err := d.rooms.sendText(ctx, g, text)
	return id.String(), err
}

// SendGroupFile announces a file to a group that this account is in.
func (n *Node) SendGroupFile(ctx context.Context, name, path string) (string, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	g, err := parseGroup(name)
	if err != nil {
		return "", err
	}
	id, err := d.files.sendGroup(ctx, g, path)
	return id.String(), err
}

// CreateGroup creates an open group with this account as its first member, whose
// newcomers are given nothing from before.
func (n *Node) CreateGroup(ctx context.Context, name string) (record.GroupName, error) {
	return n.CreateGroupWith(ctx, name, record.Settings{})
}

// CreateGroupWith creates a group with this account as its first member and admin. The
// settings cannot be changed later.
func (n *Node) CreateGroupWith(ctx context.Context, name string, settings record.Settings) (record.GroupName, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	g, err := parseGroup(name)
	if err != nil {
		return "", err
	}
	return g, d.rooms.create(ctx, g, settings)
}

// JoinGroup joins an open group, or a private one that this account is invited to. waiting tells that no member could let this
// device in yet: it can talk there as soon as one has.
func (n *Node) JoinGroup(ctx context.Context, name string) (joined record.GroupName, waiting bool, err error) {
	d, done, err := n.use()
	if err != nil {
		return "", false, err
	}
	defer done()
	if joined, err = parseGroup(name); err != nil {
		return "", false, err
	}
	waiting, err = d.rooms.join(ctx, joined)
	return joined, waiting, err
}

// LeaveGroup ends this account's membership of a group. Nothing that is said there
// afterwards can be read by it.
func (n *Node) LeaveGroup(ctx context.Context, name string) (record.GroupName, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	g, err := parseGroup(name)
	if err != nil {
		return "", err
	}
	return g, d.rooms.leave(ctx, g)
}

// RemoveMember takes an account out of a group that this account is an admin of, or
// withdraws its invitation. It cannot join again until an admin invites it.
func (n *Node) RemoveMember(ctx context.Context, account, name string) (record.GroupName, error) {
	return n.aboutMember(account, name, func(r *rooms, g record.GroupName, who record.Account) error { return r.remove(ctx, g, who) })
}

// Invite invites an account to a group that this account is an admin of.
func (n *Node) Invite(ctx context.Context, account, name string) (record.GroupName, error) {
	return n.aboutMember(account, name, func(r *rooms, g record.GroupName, who record.Account) error { return r.invite(ctx, g, who) })
}

// MakeAdmin makes a member of a group that this account is an admin of one too.
func (n *Node) MakeAdmin(ctx context.Context, account, name string) (record.GroupName, error) {
	return n.aboutMember(account, name, func(r *rooms, g record.GroupName, who record.Account) error { return r.makeAdmin(ctx, g, who) })
}

// aboutMember does something about an account in a group.
func (n *Node) aboutMember(account, name string, do func(*rooms, record.GroupName, record.Account) error) (record.GroupName, error) {
	d, done, err := n.use()
	if err != nil {
		return "", err
	}
	defer done()
	g, err := parseGroup(name)
	if err != nil {
		return "", err
	}
	who, err := parseAccount(account)
	if err != nil {
		return "", err
	}
	return g, do(d.rooms, g, who)
}

// Members lists the members of a group that this account is in, by name, and then who
// is invited, as this device knows them: it needs no server.
func (n *Node) Members(_ context.Context, name string) ([]Member, error) {
	d, done, err := n.use()
	if err != nil {
		return nil, err
	}
	defer done()
	g, err := parseGroup(name)
	if err != nil {
		return nil, err
	}
	return d.rooms.members(g)
}

// Groups lists by name all open groups, and the private ones that this account is in or
// invited to.
func (n *Node) Groups(ctx context.Context) ([]Group, error) {
	d, done, err := n.use()
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	listed, err := d.link.client.ListGroups(ctx, false)
	if err != nil {
		return nil, explain(err, "list the groups")
	}
	groups := make([]Group, len(listed))
	for i, g := range listed {
		groups[i] = Group{Name: g.Name, Members: g.Members, Mine: g.Mine, Invited: g.Invited, Private: g.Private}
		if s, ok := d.rooms.state(g.ID); ok {
			groups[i].Waiting = s.Waiting()
		}
	}
	return groups, nil
}

// MyGroups lists the account's groups by name, as this device knows them: it
// needs no server.
func (n *Node) MyGroups(context.Context) ([]Group, error) {
	d, done, err := n.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var groups []Group
	for _, s := range d.rooms.all() {
		groups = append(groups, groupOf(s))
	}
	return groups, nil
}

func groupOf(s group.State) Group {
	return Group{Name: s.Name(), Members: len(s.Chain().Members()), Mine: true, Private: s.Chain().Settings().Private, Waiting: s.Waiting()}
}

// Close ends everything and waits for it. What is in the outbox stays there.
func (n *Node) Close() error {
	n.ending.Do(func() { close(n.quit) }) // whoever waits to tell something does not any more
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	d := n.device
	n.device = nil
	n.mu.Unlock()
	var err error
	if d != nil {
		err = d.close()
	}
	n.turn.Lock() // a login under way has seen closed, or ends with its own device
	defer n.turn.Unlock()
	close(n.events)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}
