package directory

import (
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Mail is a letter that waits for a device.
type Mail struct {
	Number uint64 // rises in the order in which letters came
	From   record.Account
	Device peer.ID // the sender's
	ID     [wire.LetterIDSize]byte
	Sealed []byte // the envelope, or the group's message
}

// Mail returns what waits for a device with numbers above after, in order, and
// whether there is more. A page is of at most so many bytes, each letter counting
// wire.LetterOverhead more than it has, and of at least one letter.
func (d *Directory) Mail(account record.Account, device peer.ID, after uint64, most int) (page []Mail, more bool, err error) {
	err = d.store.View(func(r Reader) error {
		if empty, err := emptyQueue(r, account, device); err != nil || empty {
			return err
		}
		prefix := keyLetters(account, device)
		return r.Scan(prefix, above(prefix, after), func(key, value []byte) (bool, error) {
			n, letter := numberOf(key), &pb.Letter{}
			if err := parse(key, value, letter); err != nil {
				return false, err
			}
			if most -= int(letter.GetSize()) + wire.LetterOverhead; most < 0 && len(page) > 0 {
				more = true
				return false, nil
			}
			sealed, err := r.Get(keyEnvelope(account, device, n))
			page = append(page, mailOf(n, letter, sealed))
			return true, err
		})
	})
	return page, more, err
}

// GroupMail is Mail for what waits for a device in a group. It returns
// wire.ErrNoGroup, and wire.ErrRefused for an account that is not a member.
func (d *Directory) GroupMail(group record.GroupID, account record.Account, device peer.ID, after uint64, most int) (page []Mail, more bool, err error) {
	err = d.store.View(func(r Reader) error {
		if _, err := memberOfGroup(r, group[:], account); err != nil {
			return err
		}
		left, err := leftAt(r, group, account)
		if err != nil {
			return err
		}
		prefix := keyWaitingFor(group, account, device)
		return r.Scan(prefix, above(prefix, max(after, left)), func(key, value []byte) (bool, error) {
			letter := &pb.Letter{}
			if err := load(r, keyGroupLetter(group, numberOf(value)), letter); err != nil {
				return false, err
			}
			if most -= int(letter.GetSize()) + wire.LetterOverhead; most < 0 && len(page) > 0 {
				more = true
				return false, nil
			}
			sealed, err := r.Get(keyGroupMessage(group, numberOf(value)))
			page = append(page, mailOf(numberOf(key), letter, sealed))
			return true, err
		})
	})
	return page, more, err
}

// above is the first key with a number above n.
func above(prefix []byte, n uint64) []byte {
	return append(numbered(append([]byte{}, prefix...), n), 0)
}

func mailOf(n uint64, letter *pb.Letter, sealed []byte) Mail {
	m := Mail{Number: n, From: record.Account(letter.GetFrom()), Device: peer.ID(letter.GetDevice()), Sealed: sealed}
	copy(m.ID[:], letter.GetId())
	return m
}

// HasMail reports whether a letter with that number or a lower one waits for a
// device.
func (d *Directory) HasMail(account record.Account, device peer.ID, upTo uint64) (bool, error) {
	var found bool
	err := d.store.View(func(r Reader) error {
		empty, err := emptyQueue(r, account, device)
		if err == nil && !empty {
			found, err = hasNumber(r, keyLetters(account, device), upTo)
		}
		return err
	})
	return found, err
}

// emptyQueue answers the commonest question without a scan, which would pass over
// all that has been taken and that the store has not yet forgotten.
func emptyQueue(r Reader, account record.Account, device peer.ID) (bool, error) {
	queue := &pb.Queue{}
	if err := load(r, keyQueue(account, device), queue); err != nil && !errors.Is(err, ErrMissing) {
		return false, err
	}
	return queue.GetLetters() == 0, nil
}

// HasGroupMail is HasMail for what waits in a group.
func (d *Directory) HasGroupMail(group record.GroupID, account record.Account, device peer.ID, upTo uint64) (bool, error) {
	var found bool
	err := d.store.View(func(r Reader) (err error) {
		found, err = hasNumber(r, keyWaitingFor(group, account, device), upTo)
		return err
	})
	return found, err
}

func hasNumber(r Reader, prefix []byte, upTo uint64) (found bool, err error) {
	err = r.Scan(prefix, nil, func(key, _ []byte) (bool, error) {
		found = numberOf(key) <= upTo
		return false, nil
	})
	return found, err
}

// Clock returns the time that ticks have counted, on all servers the same.
func (d *Directory) Clock() (time.Duration, error) {
	var now uint64
	err := d.store.View(func(r Reader) (err error) {
		now, err = count(r, keyClock)
		return err
	})
	return time.Duration(now) * time.Millisecond, err
}

// MailTotals is how much mail waits.
type MailTotals struct {
	Letters, Bytes uint64 // for devices
	// GroupLetters are copies in groups, GroupBytes what they take together with
	// what is kept for each device that lacks one.
	GroupLetters, GroupBytes uint64
}

// MailTotals returns how much mail waits for everybody.
func (d *Directory) MailTotals() (MailTotals, error) {
	var t pb.MailTotals
	err := d.store.View(func(r Reader) error {
		if err := load(r, keyMail, &t); err != nil && !errors.Is(err, ErrMissing) {
			return err
		}
		return nil
	})
	return MailTotals{
		Letters: t.GetLetters(), Bytes: t.GetBytes(), GroupLetters: t.GetGroupLetters(), GroupBytes: t.GetGroupBytes(),
	}, err
}
