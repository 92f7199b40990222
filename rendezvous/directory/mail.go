package directory

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// putMail keeps letters for devices of one account. Each letter has a result of
// its own, so that one device whose queue is full costs the others nothing.
func putMail(w Writer, c *pb.PutMail) ([]byte, []Event, error) {
	from, sender, err := postedBy(c.GetFrom(), c.GetDevice(), len(c.GetLetters()))
	if err != nil {
		return nil, nil, err
	}
	to, err := canonical(c.GetTo())
	if err != nil {
		return nil, nil, err
	}
	log, err := loadLog(w, to)
	if err != nil {
		return nil, nil, orElse(err, wire.ErrNoAccount)
	}
	bounds, err := boundsOf(w, to, from)
	if err != nil {
		return nil, nil, err
	}
	now, err := count(w, keyClock)
	if err != nil {
		return nil, nil, err
	}
	var (
		queues  = mailbox{account: to, log: log, bounds: bounds}
		results = make([]error, len(c.GetLetters()))
		events  []Event
	)
	for i, l := range c.GetLetters() {
		letter := &pb.Letter{
			From: string(from), Device: []byte(sender), Id: l.GetId(), Size: uint32(len(l.GetEnvelope())), Expires: expiry(now),
		}
		fresh, err := queues.put(w, l, letter)
		if err != nil && !isRefusal(err) {
			return nil, nil, err
		}
		results[i] = err
		if told := (MailWaiting{to, peer.ID(l.GetDevice())}); fresh && !slices.Contains(events, Event(told)) {
			events = append(events, told)
		}
	}
	value, err := lettersPut(results)
	return value, events, err
}

// postedBy checks who sends, and how many letters.
func postedBy(name string, raw []byte, letters int) (record.Account, peer.ID, error) {
	account, err := canonical(name)
	if err != nil {
		return "", "", err
	}
	device, err := parseDevice(raw)
	if err == nil && (letters == 0 || letters > wire.MaxLetters) {
		err = fmt.Errorf("%w: %d letters", wire.ErrBadRequest, letters)
	}
	return account, device, err
}

// bounds is how much one queue takes, and how much of it from one account.
type bounds struct{ letters, bytes, sharedLetters, sharedBytes uint64 }

// boundsOf returns how much of an account's mail may come from another account. It
// returns wire.ErrRefused for one whose mail it does not take.
func boundsOf(r Reader, to, from record.Account) (bounds, error) {
	b := bounds{
		letters: MaxMailLetters, bytes: MaxMailBytes,
		sharedLetters: MaxMailLetters / shareOf, sharedBytes: MaxMailBytes / shareOf,
	}
	v, err := admits(r, to, from)
	switch {
	case err != nil:
		return b, err
	case v == verdictBlocked:
		return b, fmt.Errorf("%w: the account takes no mail of this one", wire.ErrRefused)
	case v == verdictStranger:
		b.sharedLetters = MaxStrangerLetters
	}
	return b, nil
}

// check refuses one more letter of so many bytes with wire.ErrFull where there is
// no room for it.
func (b bounds) check(queue *pb.Queue, share *pb.Share, size uint64) error {
	switch {
	case queue.GetLetters()+1 > b.letters || queue.GetBytes()+size > b.bytes:
		return fmt.Errorf("%w: the mailbox", wire.ErrFull)
	case share.GetLetters()+1 > b.sharedLetters || share.GetBytes()+size > b.sharedBytes:
		return fmt.Errorf("%w: one sender's part of the mailbox", wire.ErrFull)
	}
	return nil
}

// mailbox is the queues of an account's devices.
type mailbox struct {
	account record.Account
	log     record.DeviceLog
	bounds  bounds
}

// put keeps one letter, unless it lies there already.
func (to mailbox) put(w Writer, l *pb.PostedLetter, letter *pb.Letter) (fresh bool, err error) {
	if err := checkLetter(l.GetId(), l.GetEnvelope()); err != nil {
		return false, err
	}
	device, err := parseDevice(l.GetDevice())
	if err != nil {
		return false, err
	}
	if !to.log.Has(device) {
		return false, fmt.Errorf("%w: not a device of the account", wire.ErrRefused)
	}
	id := keyLetterID(to.account, device, letter.GetDevice(), letter.GetId())
	if known, err := has(w, id); err != nil || known {
		return false, err
	}
	queue, share, err := loadQueue(w, keyQueue(to.account, device), keyShare(to.account, device, letter.GetFrom()))
	if err != nil {
		return false, err
	}
	if err := to.bounds.check(queue, share, uint64(letter.GetSize())); err != nil {
		return false, err
	}
	n, size := queue.GetLast()+1, uint64(letter.GetSize())
	queue.Last, queue.Letters, queue.Bytes = n, queue.GetLetters()+1, queue.GetBytes()+size
	share.Letters, share.Bytes = share.GetLetters()+1, share.GetBytes()+size
	return true, errors.Join(
		save(w, keyQueue(to.account, device), queue),
		save(w, keyShare(to.account, device, letter.GetFrom()), share),
		addToTotals(w, 1, int64(size), 0, 0),
		save(w, keyLetter(to.account, device, n), letter),
		w.Set(keyEnvelope(to.account, device, n), l.GetEnvelope()),
		w.Set(id, numberValue(n)),
		w.Set(keyMailExpiry(letter.GetExpires(), to.account, device, n), nil),
	)
}

func checkLetter(id, sealed []byte) error {
	switch {
	case len(id) != wire.LetterIDSize:
		return fmt.Errorf("%w: a letter's ID of %d bytes", wire.ErrBadRequest, len(id))
	case len(sealed) == 0:
		return fmt.Errorf("%w: an empty letter", wire.ErrBadRequest)
	case len(sealed) > wire.MaxEnvelope:
		return fmt.Errorf("%w: a letter of %d bytes", wire.ErrTooLarge, len(sealed))
	}
	return nil
}

// takeMail removes what a device has on disk.
func takeMail(w Writer, c *pb.TakeMail) error {
	account, device, err := actingDevice(w, c.GetAccount(), c.GetDevice())
	if err != nil {
		return err
	}
	return removeMail(w, account, device, c.GetUpTo())
}

// dropMail removes a revoked device's letters and the queue itself.
func dropMail(w Writer, account record.Account, device peer.ID) error {
	if err := removeMail(w, account, device, math.MaxUint64); err != nil {
		return err
	}
	return w.Delete(keyQueue(account, device))
}

// removeMail removes a device's letters up to a number: at most MaxMailLetters,
// since no more can lie there.
func removeMail(w Writer, account record.Account, device peer.ID, upTo uint64) error {
	gone, err := scanLetters(w, keyLetters(account, device), upTo)
	if err != nil {
		return err
	}
	return removeLetters(w, account, device, gone)
}

// numberedLetter is a letter as it lies in a queue.
type numberedLetter struct {
	number uint64
	letter *pb.Letter
}

// scanLetters returns the letters of a queue up to a number.
func scanLetters(r Reader, prefix []byte, upTo uint64) ([]numberedLetter, error) {
	var found []numberedLetter
	err := r.Scan(prefix, nil, func(key, value []byte) (bool, error) {
		n := numberOf(key)
		if n > upTo {
			return false, nil
		}
		letter := &pb.Letter{}
		if err := parse(key, value, letter); err != nil {
			return false, err
		}
		found = append(found, numberedLetter{n, letter})
		return true, nil
	})
	return found, err
}

// removeLetters removes letters and books them by sender, once for each, so that a
// whole queue fits into a transaction.
func removeLetters(w Writer, account record.Account, device peer.ID, gone []numberedLetter) error {
	shares := make(map[string]*pb.Share)
	var senders []string // in the order of their letters
	for _, l := range gone {
		for _, key := range [][]byte{
			keyLetter(account, device, l.number),
			keyEnvelope(account, device, l.number),
			keyLetterID(account, device, l.letter.GetDevice(), l.letter.GetId()),
			keyMailExpiry(l.letter.GetExpires(), account, device, l.number),
		} {
			if err := w.Delete(key); err != nil {
				return err
			}
		}
		share := shares[l.letter.GetFrom()]
		if share == nil {
			share = &pb.Share{}
			shares[l.letter.GetFrom()] = share
			senders = append(senders, l.letter.GetFrom())
		}
		share.Letters, share.Bytes = share.GetLetters()+1, share.GetBytes()+uint64(l.letter.GetSize())
	}
	var letters, bytes int64
	for _, from := range senders {
		n, size := int64(shares[from].GetLetters()), int64(shares[from].GetBytes())
		if err := addToShare(w, keyShare(account, device, from), -n, -size); err != nil {
			return err
		}
		letters, bytes = letters+n, bytes+size
	}
	if letters == 0 {
		return nil
	}
	return errors.Join(addToQueue(w, keyQueue(account, device), -letters, -bytes), addToTotals(w, -letters, -bytes, 0, 0))
}
