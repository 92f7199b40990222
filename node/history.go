package node

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

const (
	// DefaultLines is how many lines of a conversation are returned unless more are
	// asked for: what a screen holds. MaxLines bounds those of one answer.
	DefaultLines = 20
	MaxLines     = 10_000
	// searchPage bounds the messages that are in memory at a time during a search.
	searchPage = 512
	// minIDPrefix is how many hexadecimal digits of an ID name a message: as many as
	// are shown tell a few thousand apart.
	minIDPrefix = 4
)

// Line is a line of a conversation: a message, a file, or where some are missing.
type Line struct {
	ID      string           // 32 hexadecimal characters
	With    record.Account   // the other account, or
	Group   record.GroupName // the group
	From    record.Account
	At      time.Time // when it was sent, by the sender's clock
	Text    string
	File    string // its name, of a file
	Path    string // where it lies
	Size    int64
	State   string // of one's own: queued, stored, sent, delivered, read or expired
	Missing int    // instead of a text: so many messages of From have not come
}

// Step is one thing that happened to a message.
type Step struct {
	At      time.Time
	State   string
	Account record.Account // empty where it concerns nobody in particular
	Device  string         // a peer ID
	Path    string         // local, direct, relayed or mailbox
}

// Status is what became of a message of one's own.
type Status struct {
	Line
	Steps []Step
	Has   []record.Account // with at least one device that has it
	Lacks []record.Account // of whom no device has said so
}

// History returns the last lines of a conversation, oldest first: with an account, in a
// group ("#name", or a name that no account has), or all for "". n is at most MaxLines,
// 0 for DefaultLines.
func (n *Node) History(_ context.Context, with string, lines int) ([]Line, error) {
	d, done, err := n.use()
	if err != nil {
		return nil, err
	}
	defer done()
	if lines <= 0 {
		lines = DefaultLines
	}
	return d.history(with, min(lines, MaxLines))
}

// Search returns the newest lines that hold all of some words, in any case, oldest
// first, and at most MaxLines of them. It looks at what this device has, and needs no
// server.
func (n *Node) Search(ctx context.Context, words string) ([]Line, error) {
	d, done, err := n.use()
	if err != nil {
		return nil, err
	}
	defer done()
	wanted := strings.Fields(strings.ToLower(words))
	if len(wanted) == 0 {
		return nil, fail(CodeUsage, nil, "Type: search <words...>", "There is nothing to look for.")
	}
	return d.search(ctx, wanted)
}

// Status returns what became of a message of one's own, named by the beginning of its
// ID; "" names the last one that was sent.
func (n *Node) Status(_ context.Context, id string) (Status, error) {
	d, done, err := n.use()
	if err != nil {
		return Status{}, err
	}
	defer done()
	return d.status(id)
}

// MarkRead notes that this account's person has seen what was written so far in a
// conversation, named as for History, and tells those who wrote it unless SetReceipts
// says otherwise.
func (n *Node) MarkRead(_ context.Context, with string) error {
	d, done, err := n.use()
	if err != nil {
		return err
	}
	defer done()
	name, err := d.conversationOf(with)
	if err != nil {
		return err
	}
	if err := d.markRead(name); err != nil {
		return explain(err, "note what was read")
	}
	return nil
}

// SetReceipts chooses whether others hear what this person has read.
func (n *Node) SetReceipts(_ context.Context, on bool) error {
	d, done, err := n.use()
	if err != nil {
		return err
	}
	defer done()
	err = d.commit(func(tx *store.Tx, _ *effects) error {
		var off []byte
		if !on {
			off = []byte{1}
		}
		tx.PutMeta(readReceiptsName, off)
		return nil
	})
	if err != nil {
		return explain(err, "keep the choice")
	}
	return nil
}

// conversationOf returns under which name the store has a conversation.
func (d *device) conversationOf(with string) (string, error) {
	if name, ok := strings.CutPrefix(with, "#"); ok {
		g, err := parseGroup(name)
		return conversation(g), err
	}
	var names []string
	if err := d.store.View(func(tx *store.Tx) error { names = tx.Conversations(); return nil }); err != nil {
		return "", explain(err, "read the conversations")
	}
	if g, err := record.ParseGroupName(with); err == nil {
		_, mine := d.rooms.named(g)
		if account, err := record.ParseAccount(with); err != nil || !slices.Contains(names, string(account)) && (mine || slices.Contains(names, conversation(g))) {
			return conversation(g), nil
		}
	}
	account, err := parseAccount(with)
	return string(account), err
}

func (d *device) history(with string, n int) (lines []Line, err error) {
	name := ""
	if with != "" {
		if name, err = d.conversationOf(with); err != nil {
			return nil, err
		}
	}
	err = d.store.View(func(tx *store.Tx) error {
		names := []string{name}
		if name == "" {
			names = tx.Conversations()
		}
		var all []store.Message
		for _, name := range names {
			all = append(all, tx.History(name, n)...)
		}
		slices.SortFunc(all, func(a, b store.Message) int { return cmp.Compare(a.Order, b.Order) })
		lines = linesOf(tx, all[max(0, len(all)-n):])
		return nil
	})
	if err != nil {
		return nil, explain(err, "read the conversation")
	}
	return lines, nil
}

func (d *device) search(ctx context.Context, words []string) (lines []Line, err error) {
	var found []store.Message
	var names []string
	if err := d.store.View(func(tx *store.Tx) error { names = tx.Conversations(); return nil }); err != nil {
		return nil, explain(err, "search")
	}
	for _, name := range names {
		for after := uint64(0); ctx.Err() == nil; {
			var page []store.Message
			err := d.store.View(func(tx *store.Tx) error { page = tx.HistoryFrom(name, after+1, searchPage); return nil })
			if err != nil {
				return nil, explain(err, "search")
			}
			if len(page) == 0 {
				break
			}
			after = page[len(page)-1].Order
			for _, m := range page {
				if matches(m, words) {
					found = append(found, m)
				}
			}
		}
	}
	if ctx.Err() != nil {
		return nil, explain(ctx.Err(), "search")
	}
	slices.SortFunc(found, func(a, b store.Message) int { return cmp.Compare(a.Order, b.Order) })
	err = d.store.View(func(tx *store.Tx) error {
		lines = linesOf(tx, found[max(0, len(found)-MaxLines):])
		return nil
	})
	if err != nil {
		return nil, explain(err, "search")
	}
	return lines, nil
}

// matches tells whether a message, or a file's name, holds all of some lower-case words.
func matches(m store.Message, words []string) bool {
	text := m.Text
	if m.File != nil {
		text = m.File.Name
	}
	text = strings.ToLower(text)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func linesOf(tx *store.Tx, messages []store.Message) []Line {
	lines := make([]Line, len(messages))
	for i, m := range messages {
		lines[i] = lineOf(m)
		if own, ok := tx.Own(m.ID); ok {
			lines[i].State = own.State.String()
		}
	}
	return lines
}

func lineOf(m store.Message) Line {
	l := Line{ID: m.ID.String(), From: m.From, At: m.SentAt, Text: m.Text, Missing: m.Missing}
	if name, ok := strings.CutPrefix(m.Conversation, "#"); ok {
		l.Group = record.GroupName(name)
	} else {
		l.With = record.Account(m.Conversation)
	}
	if m.File != nil {
		l.File, l.Path, l.Size = m.File.Name, m.File.Path, int64(m.File.Size)
	}
	return l
}

// own finds a message of one's own by the beginning of its ID.
func (d *device) own(tx *store.Tx, id string) (store.Own, error) {
	if id == "" {
		return d.lastOwn(tx)
	}
	prefix, err := hex.DecodeString(id[:len(id)&^1])
	if err != nil || len(id) < minIDPrefix {
		return store.Own{}, fail(CodeUsage, err, "Type the digits that stand beside it in history: at least four.", "%q is not the beginning of a message's ID.", id)
	}
	found := slices.DeleteFunc(tx.OwnLike(prefix, 0), func(o store.Own) bool { return !strings.HasPrefix(o.ID.String(), strings.ToLower(id)) })
	switch len(found) {
	case 0:
		return store.Own{}, fail(CodeNoMessage, nil, "Type: history", "This device has sent no message %s.", id)
	case 1:
		return found[0], nil
	default:
		return store.Own{}, fail(CodeUsage, nil, "Type more of its digits.", "%d messages begin with %s.", len(found), id)
	}
}

// lastOwn finds the message that was sent last.
func (d *device) lastOwn(tx *store.Tx) (last store.Own, err error) {
	for _, name := range tx.Conversations() {
		for _, m := range slices.Backward(tx.History(name, searchPage)) {
			if m.Order < last.Order {
				break
			}
			if own, ok := tx.Own(m.ID); ok {
				last = own
				break
			}
		}
	}
	if last.Order == 0 {
		return last, fail(CodeNoMessage, nil, "Type: send <name+rollno> <message...>", "This device has sent nothing yet.")
	}
	return last, nil
}

func (d *device) status(id string) (s Status, err error) {
	err = d.store.View(func(tx *store.Tx) error {
		own, err := d.own(tx, id)
		if err != nil {
			return err
		}
		if m, ok := tx.MessageAt(own.Conversation, own.Order); ok {
			s.Line = lineOf(m)
		}
		s.State = own.State.String()
		steps := tx.Steps(own.ID)
		for _, step := range steps {
			out := Step{At: step.At, State: step.State.String(), Account: step.Account, Path: step.Path}
			if step.Device != "" {
				out.Device = step.Device.String()
			}
			s.Steps = append(s.Steps, out)
		}
		return d.whoHas(tx, &s, own, steps)
	})
	if err != nil {
		return s, explain(err, "read what became of the message")
	}
	return s, nil
}

// whoHas tells which accounts have a message and which do not, as far as they say so.
func (d *device) whoHas(tx *store.Tx, s *Status, own store.Own, steps []store.Step) error {
	if s.Group == "" {
		has := slices.ContainsFunc(steps, func(step store.Step) bool { return step.State == outbox.Delivered })
		if s.With == d.self.Account || has {
			s.Has = []record.Account{s.With}
		} else {
			s.Lacks = []record.Account{s.With}
		}
		return nil
	}
	state, ok := d.rooms.named(s.Group)
	if !ok {
		return nil // left
	}
	a, err := d.rooms.acks(tx, state.ID())
	if err != nil {
		return err
	}
	has, lacks, open := a.Of(group.Place{Chain: own.Chain, Iteration: own.Iteration})
	if !open { // everybody whom it was for
		return nil
	}
	s.Has = accounts(has)
	for _, account := range accounts(lacks) {
		if !slices.Contains(s.Has, account) {
			s.Lacks = append(s.Lacks, account)
		}
	}
	return nil
}

// accounts returns whose some devices are, sorted.
func accounts(devices []group.Member) (all []record.Account) {
	for _, m := range devices {
		all = append(all, m.Account)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
