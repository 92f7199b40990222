package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/node/group"
	"github.com/tryst-chat/tryst/node/outbox"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/node/wire"
	"github.com/tryst-chat/tryst/rendezvous/record"
	rwire "github.com/tryst-chat/tryst/rendezvous/wire"
)

// conversation is a group's name where an account's may stand too.
func conversation(name record.GroupName) string { return "#" + string(name) }

// mine returns the group of a name, if this device can talk there.
func (r *rooms) mine(name record.GroupName) (group.State, error) {
	s, ok := r.named(name)
	if !ok {
		return s, notIn(name)
	}
	if s.Waiting() {
		return s, fail(CodeNotMember, nil, "Wait until another member is online, and try again.", "No member has let this device into %s yet.", name)
	}
	return s, nil
}

func notIn(name record.GroupName) *Error {
	return fail(CodeNotMember, nil, fmt.Sprintf("Type: join %s", name), "You are not in a group %s.", name)
}

// notMine makes an error of mine exact: there may be no such group at all, which
// only the servers know.
func (r *rooms) notMine(ctx context.Context, name record.GroupName, err *Error) error {
	if err.Code != CodeNotMember || !r.d.link.client.Linked() {
		return err
	}
	if _, ok := r.named(name); ok {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	if _, failed := r.d.link.client.GroupByName(ctx, name, 0); errors.Is(failed, rwire.ErrNoGroup) {
		return noGroup(name, failed)
	}
	return err
}

func noGroup(name record.GroupName, cause error) *Error {
	return fail(CodeNoGroup, cause, "Type list to see the groups there are.", "There is no group %s.", name)
}

// send sends a text or a manifest to a group. It goes out over the topic, which is
// quick and promises nothing; kept in the group's log, it is there for every member
// device that finds it lacks it (see rooms_repair.go), and the servers get it for those
// that do not say that they have it (see rooms_acks.go). keep is called in the
// transaction.
func (r *rooms) send(ctx context.Context, name record.GroupName, id wire.MessageID, body wire.Body, keep func(*store.Tx, *effects, group.State) error) error {
	r.d.start.wait(ctx)
	var out group.Outgoing
	var groupID record.GroupID
	err := r.d.commit(func(tx *store.Tx, fx *effects) error {
		s, err := r.mine(name)
		if err != nil {
			return err
		}
		groupID = s.ID()
		s, at, err := r.speakable(s).Next(r.self())
		if err != nil {
			return err
		}
		now := time.Now()
		devices := r.devices(s)
		after, err := r.spokenAfter(tx, s, at, devices, now)
		if err != nil {
			return err
		}
		content, err := wire.GroupContent{
			ID: id, SentAt: now, ChainLength: s.Chain().Len(), ChainHead: s.Chain().Head(), After: after, Body: body,
		}.Marshal()
		if err != nil {
			return err
		}
		if s, out, err = s.Send(r.self(), content, devices); err != nil {
			return err
		}
		r.spoke(groupID, out.Sealed.Chain)
		if err := keep(tx, fx, s); err != nil {
			return err
		}
		tx.LogGroup(groupID, store.Logged(out.Sealed), now)
		r.keepOpening(tx, s, out.Sealed, out.Opening)
		sending := Event{Kind: EventSending, ID: id.String(), Group: name}
		if offer, ok := body.(wire.FileOffer); ok {
			sending.Name, sending.Size = offer.Manifest.GetName(), int64(offer.Manifest.GetSize())
		}
		fx.tell(sending)
		if err := r.awaitAcks(tx, fx, s, id, at, devices); err != nil {
			return err
		}
		if s, err = r.handOut(tx, fx, s, devices, out); err != nil {
			return err
		}
		return r.put(tx, fx, s)
	})
	if err != nil {
		return r.notMine(ctx, name, explain(err, "send to the group"))
	}
	return r.publish(ctx, groupID, name, id, out.Sealed.Message)
}

// handOut queues this device's sender key for the devices that lack it. One that
// no more may wait for is noted as lacking it still.
func (r *rooms) handOut(tx *store.Tx, fx *effects, s group.State, devices []group.Member, out group.Outgoing) (group.State, error) {
	for _, m := range devices {
		distribution, lacks := out.SenderKeys[m.Device]
		if !lacks {
			continue
		}
		key := wire.SenderKey{Group: s.ID(), Epoch: s.Epoch(), Distribution: distribution}
		err := r.d.tellDevice(tx, fx, m.Account, m.Device, key)
		if errors.Is(err, outbox.ErrFull) {
			s = s.Forget(m.Device)
		} else if err != nil {
			return s, err
		}
	}
	return s, nil
}

func (r *rooms) publish(ctx context.Context, groupID record.GroupID, name record.GroupName, id wire.MessageID, message []byte) error {
	r.enter(groupID) // the secret may have come a moment ago
	defer r.lively(groupID)
	rotation := r.rotation(groupID)
	if rotation == nil {
		return fail(CodeNotMember, nil, "", "You are no longer in the group %s.", name)
	}
	if err := rotation.Publish(ctx, message, r.listening(groupID, rotation)); err != nil && ctx.Err() == nil {
		r.d.log.Info("a message did not go out over its topic; the members get it otherwise", "err", err)
	}
	return nil
}

// sendText sends a text to a group.
func (r *rooms) sendText(ctx context.Context, name record.GroupName, text string) (wire.MessageID, error) {
	if err := checkText(text); err != nil {
		return wire.MessageID{}, err
	}
	id, now := wire.NewMessageID(), time.Now()
	return id, r.send(ctx, name, id, wire.Text(text), func(tx *store.Tx, _ *effects, _ group.State) error {
		r.d.keepOwn(tx, store.Message{ID: id, Conversation: conversation(name), Text: text}, now)
		return nil
	})
}

func (a arrival) member() group.Member {
	return group.Member{Account: a.from.Account, Device: a.device}
}

// receive opens a group message, or keeps it until it can be opened.
// It returns what the message did.
func (r *rooms) receive(tx *store.Tx, fx *effects, id record.GroupID, from group.Member, message []byte) (group.Effect, error) {
	s, ok := r.state(id)
	if !ok {
		return group.Effect{}, nil
	}
	s, delivered, effect, err := s.Receive(from, message)
	if effect.NeedChain {
		fx.after(func() { r.d.errands.do(func(ctx context.Context) { r.update(ctx, id) }) })
	}
	if effect.NeedSecret {
		fx.after(func() { r.d.errands.do(func(context.Context) { r.ask(id) }) })
	}
	if err != nil {
		r.d.log.Warn("a group message is refused", "peer", from.Device, "err", err)
		return effect, nil
	}
	if effect.Duplicate {
		return effect, nil
	}
	if effect.Gap {
		fx.after(func() { r.repairs.add(id, from.Device, repairDelay) })
	}
	if effect.Dropped > 0 {
		fx.tell(Event{Kind: EventNotice, Group: s.Name(), Text: fmt.Sprintf("%d messages in %s could not be opened and had to be dropped.", effect.Dropped, s.Name())})
	}
	return effect, r.keep(tx, fx, s, delivered)
}

// takeSenderKey takes a member device's sender chain, and what it opens.
func (r *rooms) takeSenderKey(tx *store.Tx, fx *effects, a arrival, sent wire.SenderKey) error {
	s, ok := r.state(sent.Group)
	if !ok {
		return nil
	}
	s, delivered, err := s.AcceptSenderKey(a.member(), sent.Epoch, sent.Distribution)
	if err != nil {
		r.d.log.Warn("a sender key is refused", "peer", a.device, "err", err)
		return nil
	}
	// What was said before the key came can be asked for now.
	fx.after(func() { r.repairs.add(sent.Group, a.device, repairDelay) })
	return r.keep(tx, fx, s, delivered)
}

// early reports whether a content is of a group, or of a moment in its life, that
// this device has still to hear of: then it is refused for now, and comes again.
func (r *rooms) early(a arrival) (id record.GroupID, early bool) {
	switch body := a.content.Body.(type) {
	case wire.SenderKey:
		return body.Group, r.behind(body.Group, body.Epoch, a.from.Account)
	case wire.EpochSecret:
		return body.Group, r.behind(body.Group, body.Epoch, a.from.Account)
	}
	return id, false
}

func (r *rooms) behind(id record.GroupID, epoch uint64, from record.Account) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	at, ok := r.byID[id]
	if !ok {
		return !r.foreign[id]
	}
	return epoch > at.state.Epoch() || !at.state.Chain().Member(from)
}

// keep stores what has opened together with the state that opened it, and shows what
// is to be shown now.
func (r *rooms) keep(tx *store.Tx, fx *effects, s group.State, delivered []group.Delivered) error {
	if len(delivered) > 0 {
		fx.after(func() { r.lively(s.ID()) })
	}
	now, all := time.Now(), r.openAll(delivered)
	for _, m := range all {
		tx.LogGroup(s.ID(), store.Logged(m.Sealed), now)
		r.keepOpening(tx, s, m.Sealed, m.Opening)
		if !m.valid {
			continue
		}
		r.compareHeads(fx, s, m.From, m.said)
		if m.said.ChainLength > s.Chain().Len() {
			fx.after(func() { r.d.errands.do(func(ctx context.Context) { r.update(ctx, s.ID()) }) })
		}
	}
	if err := r.inTurn(tx, fx, s, all); err != nil {
		return err
	}
	if err := r.acknowledge(tx, fx, s, all); err != nil {
		return err
	}
	return r.put(tx, fx, s)
}
