package directory

import (
	"errors"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// In a group there is one copy of a letter, and for each device that lacks it a
// row by which the device finds it. The numbers that a device sees are those of
// its rows and not of the copies: a copy may be put again, for further devices
// that have fetched later ones already. All are numbers of the group's queue, so
// that they go on rising for somebody who leaves and comes back.

// waiting is a letter that one device lacks.
type waiting struct {
	group   record.GroupID
	account record.Account
	device  peer.ID
	number  uint64 // the device's
	letter  uint64 // the copy's
}

// putGroupMail keeps one copy of each letter for devices of members.
func putGroupMail(w Writer, c *pb.PutGroupMail) ([]byte, []Event, error) {
	from, sender, err := postedBy(c.GetFrom(), c.GetDevice(), len(c.GetLetters()))
	if err != nil {
		return nil, nil, err
	}
	var total int
	for _, l := range c.GetLetters() {
		total += len(l.GetMembers())
	}
	if total > wire.MaxFor {
		return nil, nil, fmt.Errorf("%w: letters for %d devices", wire.ErrBadRequest, total)
	}
	chain, err := memberOfGroup(w, c.GetGroup(), from)
	if err != nil {
		return nil, nil, err
	}
	now, err := count(w, keyClock)
	if err != nil {
		return nil, nil, err
	}
	var (
		results = make([]error, len(c.GetLetters()))
		told    = GroupMailWaiting{Group: chain.ID()}
	)
	for i, l := range c.GetLetters() {
		letter := &pb.Letter{
			From: string(from), Device: []byte(sender), Id: l.GetId(), Size: uint32(len(l.GetMessage())), Expires: expiry(now),
		}
		fresh, err := putGroupLetter(w, chain, l, letter)
		if err != nil && !isRefusal(err) {
			return nil, nil, err
		}
		results[i] = err
		for _, m := range fresh {
			if !slices.Contains(told.Devices, m.Device) {
				told.Devices = append(told.Devices, m.Device)
			}
		}
	}
	value, err := lettersPut(results)
	if len(told.Devices) == 0 {
		return value, nil, err
	}
	return value, []Event{told}, err
}

// memberOfGroup returns the chain of a group that an account is in.
func memberOfGroup(r Reader, raw []byte, account record.Account) (record.Chain, error) {
	if len(raw) != len(record.GroupID{}) {
		return record.Chain{}, fmt.Errorf("%w: group ID", wire.ErrBadRequest)
	}
	chain, err := loadChain(r, record.GroupID(raw))
	if err != nil {
		return record.Chain{}, orElse(err, wire.ErrNoGroup)
	}
	if !chain.Member(account) {
		return record.Chain{}, fmt.Errorf("%w: not a member of the group", wire.ErrRefused)
	}
	return chain, nil
}

// putGroupLetter keeps one letter and returns for whom it was not kept before.
// Devices of those who are no members are passed over, but not all of them.
func putGroupLetter(w Writer, chain record.Chain, l *pb.PostedGroupLetter, letter *pb.Letter) ([]Member, error) {
	if err := checkLetter(l.GetId(), l.GetMessage()); err != nil {
		return nil, err
	}
	members, err := parseMembers(chain, l.GetMembers())
	if err != nil {
		return nil, err
	}
	group := chain.ID()
	id := keyGroupLetterID(group, letter.GetDevice(), letter.GetId())
	n, known, err := knownNumber(w, id)
	if err != nil {
		return nil, err
	}
	if known {
		if members, err = withoutWaiting(w, group, n, members); err != nil || len(members) == 0 {
			return nil, err
		}
		if err := load(w, keyGroupLetter(group, n), letter); err != nil {
			return nil, err
		}
	}
	size := uint64(waitingCost * len(members))
	if !known {
		size += uint64(letter.GetSize())
	}
	queue, share, err := loadQueue(w, keyGroupQueue(group), keyGroupShare(group, letter.GetFrom()))
	if err != nil {
		return nil, err
	}
	if err := groupBounds.check(queue, share, size); err != nil {
		return nil, err
	}
	queue.Last++
	if err := save(w, keyGroupQueue(group), queue); err != nil {
		return nil, err
	}
	if !known {
		n = queue.GetLast()
		if err := saveGroupLetter(w, group, n, id, letter, l.GetMessage()); err != nil {
			return nil, err
		}
	}
	return members, addWaiting(w, group, n, queue.GetLast(), letter.GetFrom(), members)
}

// groupBounds has no bound for letters: each costs at least waitingCost.
var groupBounds = bounds{
	letters: MaxGroupMailBytes, bytes: MaxGroupMailBytes,
	sharedLetters: MaxGroupMailBytes, sharedBytes: MaxGroupMailBytes / shareOf,
}

// parseMembers returns those devices, each once, that are of members.
func parseMembers(chain record.Chain, raw []*pb.Member) ([]Member, error) {
	var members []Member
	for _, m := range raw {
		account, err := canonical(m.GetAccount())
		if err != nil {
			return nil, err
		}
		device, err := parseDevice(m.GetDevice())
		if err != nil {
			return nil, err
		}
		if member := (Member{account, device}); chain.Member(account) && !slices.Contains(members, member) {
			members = append(members, member)
		}
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("%w: a letter for no member's device", wire.ErrRefused)
	}
	return members, nil
}

func knownNumber(r Reader, key []byte) (n uint64, known bool, err error) {
	value, err := r.Get(key)
	if errors.Is(err, ErrMissing) {
		return 0, false, nil
	}
	return numberOf(value), err == nil, err
}

// withoutWaiting leaves those members for whom a letter does not wait yet. A row
// from before its owner left the group counts for nothing and is removed.
func withoutWaiting(w Writer, group record.GroupID, n uint64, members []Member) ([]Member, error) {
	var rest []Member
	for _, m := range members {
		number, known, err := knownNumber(w, keyLacks(group, n, m.Account, m.Device))
		if err != nil {
			return nil, err
		}
		left, err := leftAt(w, group, m.Account)
		if err != nil {
			return nil, err
		}
		if known && number > left {
			continue
		}
		rest = append(rest, m)
	}
	return rest, nil
}

func saveGroupLetter(w Writer, group record.GroupID, n uint64, id []byte, letter *pb.Letter, message []byte) error {
	return errors.Join(
		save(w, keyGroupLetter(group, n), letter),
		w.Set(keyGroupMessage(group, n), message),
		w.Set(id, numberValue(n)),
		w.Set(keyGroupMailExpiry(letter.GetExpires(), group, n), nil),
		bookGroup(w, group, letter.GetFrom(), 1, int64(letter.GetSize())),
	)
}

// addWaiting makes a letter wait for devices, for all of them under one number.
func addWaiting(w Writer, group record.GroupID, n, number uint64, from string, members []Member) error {
	added := 0
	for _, m := range members {
		old, known, err := knownNumber(w, keyLacks(group, n, m.Account, m.Device))
		if err != nil {
			return err
		}
		if known { // from before its owner left
			err = w.Delete(keyWaiting(group, m.Account, m.Device, old))
		} else {
			added++
		}
		err = errors.Join(err,
			w.Set(keyWaiting(group, m.Account, m.Device, number), numberValue(n)),
			w.Set(keyLacks(group, n, m.Account, m.Device), numberValue(number)))
		if err != nil {
			return err
		}
	}
	return bookGroup(w, group, from, 0, int64(waitingCost*added))
}

// bookGroup counts what comes or, with negative numbers, goes.
func bookGroup(w Writer, group record.GroupID, from string, letters, bytes int64) error {
	return errors.Join(
		addToQueue(w, keyGroupQueue(group), letters, bytes),
		addToShare(w, keyGroupShare(group, from), letters, bytes),
		addToTotals(w, 0, 0, letters, bytes),
	)
}

// takeGroupMail removes what a member's device has on disk.
func takeGroupMail(w Writer, c *pb.TakeGroupMail) ([]byte, error) {
	account, err := canonical(c.GetAccount())
	if err != nil {
		return nil, err
	}
	device, err := parseDevice(c.GetDevice())
	if err != nil {
		return nil, err
	}
	chain, err := memberOfGroup(w, c.GetGroup(), account)
	if err != nil {
		return nil, err
	}
	taken, err := scanWaiting(w, chain.ID(), account, device, c.GetUpTo(), takeWork)
	if err != nil {
		return nil, err
	}
	if err := removeWaiting(w, taken); err != nil {
		return nil, err
	}
	return marshal(&pb.Unfinished{More: len(taken) == takeWork})
}

// removeWaiting takes letters from devices that lack them, and those letters away
// that nobody lacks any more.
func removeWaiting(w Writer, gone []waiting) error {
	for _, g := range gone {
		letter := &pb.Letter{}
		err := errors.Join(
			load(w, keyGroupLetter(g.group, g.letter), letter),
			w.Delete(keyWaiting(g.group, g.account, g.device, g.number)),
			w.Delete(keyLacks(g.group, g.letter, g.account, g.device)),
			bookGroup(w, g.group, letter.GetFrom(), 0, -waitingCost),
		)
		if err != nil {
			return err
		}
		lacked, err := someKey(w, keyLacking(g.group, g.letter))
		if err != nil {
			return err
		}
		if lacked {
			continue
		}
		if err := removeGroupLetter(w, g.group, g.letter, letter); err != nil {
			return err
		}
	}
	return nil
}

func removeGroupLetter(w Writer, group record.GroupID, n uint64, letter *pb.Letter) error {
	for _, key := range [][]byte{
		keyGroupLetter(group, n),
		keyGroupMessage(group, n),
		keyGroupLetterID(group, letter.GetDevice(), letter.GetId()),
		keyGroupMailExpiry(letter.GetExpires(), group, n),
	} {
		if err := w.Delete(key); err != nil {
			return err
		}
	}
	return bookGroup(w, group, letter.GetFrom(), -1, -int64(letter.GetSize()))
}
