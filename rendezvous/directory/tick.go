package directory

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// expiry is when a letter goes that comes now.
func expiry(now uint64) uint64 { return now + uint64(MailLifetime.Milliseconds()) }

// tick moves the clock on, and removes letters and invitations that have expired and
// what waits for those who have left groups, as much as one transaction holds.
func tick(w Writer, c *pb.Tick) ([]byte, error) {
	now, err := count(w, keyClock)
	if err != nil {
		return nil, err
	}
	if by := min(c.GetElapsed(), uint64(maxTick.Milliseconds())); by > 0 && c.GetClock() == now {
		now += by
		if err := w.Set(keyClock, numberValue(now)); err != nil {
			return nil, err
		}
	}
	left, err := expireMail(w, now, expireWork)
	if err != nil {
		return nil, err
	}
	if left > 0 {
		if left, err = forgetLeavers(w, left); err == nil && left > 0 {
			left, err = expireInvitations(w, now, left)
		}
	}
	if err != nil {
		return nil, err
	}
	return marshal(&pb.Unfinished{More: left == 0})
}

// expireMail removes at most so many letters that have expired and returns how
// much of that work is left over.
func expireMail(w Writer, now uint64, work int) (int, error) {
	var due [][]byte
	err := w.Scan([]byte("e"), nil, func(key, _ []byte) (bool, error) {
		if len(key) < 1+8+1+8 {
			return false, fmt.Errorf("directory: stored key %q is malformed", key)
		}
		if numberOf(key[:1+8]) > now || len(due) == work {
			return false, nil
		}
		due = append(due, key)
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	for _, key := range due {
		if work <= 0 {
			return 0, nil
		}
		done := 1
		switch owner, n := key[1+8+1:len(key)-8], numberOf(key); key[1+8] {
		case 'a':
			err = expireLetter(w, owner, n)
		case 'g':
			done, err = expireGroupLetter(w, record.GroupID(owner), n, work)
		default:
			err = fmt.Errorf("directory: stored key %q is malformed", key)
		}
		if err != nil {
			return 0, err
		}
		work -= done
	}
	return max(work, 0), nil
}

func expireLetter(w Writer, owner []byte, n uint64) error {
	account, device, err := memberOf(owner)
	if err != nil {
		return err
	}
	letter := &pb.Letter{}
	if err := load(w, keyLetter(account, device, n), letter); err != nil {
		return err
	}
	return removeLetters(w, account, device, []numberedLetter{{n, letter}})
}

// expireGroupLetter takes a letter from those devices that lack it, and then it
// goes by itself. It returns how much work that was.
func expireGroupLetter(w Writer, group record.GroupID, n uint64, work int) (int, error) {
	var lacking []waiting
	prefix := keyLacking(group, n)
	err := w.Scan(prefix, nil, func(key, value []byte) (bool, error) {
		account, device, err := memberOf(key[len(prefix):])
		lacking = append(lacking, waiting{group, account, device, numberOf(value), n})
		return len(lacking) < work, err
	})
	if err != nil {
		return 0, err
	}
	return len(lacking), removeWaiting(w, lacking)
}

// leaveMail has what waits for somebody in a group go, now that they are no
// member any more. They may not ask for it from here on; removing it is left to
// ticks, since it may be much.
func leaveMail(w Writer, group record.GroupID, account record.Account) error {
	any, err := someKey(w, keyWaitingOf(group, account))
	if err != nil || !any {
		return err
	}
	queue := &pb.Queue{}
	if err := load(w, keyGroupQueue(group), queue); err != nil {
		return err
	}
	return w.Set(keyLeft(group, account), numberValue(queue.GetLast()))
}

func someKey(r Reader, prefix []byte) (found bool, err error) {
	err = r.Scan(prefix, nil, func(_, _ []byte) (bool, error) {
		found = true
		return false, nil
	})
	return found, err
}

// leftAt returns the number up to which nothing waits for an account any more,
// because it had left the group then.
func leftAt(r Reader, group record.GroupID, account record.Account) (uint64, error) {
	value, err := r.Get(keyLeft(group, account))
	if errors.Is(err, ErrMissing) {
		return 0, nil
	}
	return numberOf(value), err
}

// forgetLeavers removes at most so many letters that wait for those who left
// groups, and returns how much of that work is left over.
func forgetLeavers(w Writer, work int) (int, error) {
	type leaver struct {
		key  []byte
		upTo uint64
	}
	var leavers []leaver
	err := w.Scan([]byte("x"), nil, func(key, value []byte) (bool, error) {
		if len(key) < 1+len(record.GroupID{}) {
			return false, fmt.Errorf("directory: stored key %q is malformed", key)
		}
		leavers = append(leavers, leaver{key, numberOf(value)})
		return len(leavers) < work, nil
	})
	if err != nil {
		return 0, err
	}
	for _, l := range leavers {
		group := record.GroupID(l.key[1:])
		account := record.Account(l.key[1+len(group):])
		gone, err := scanWaiting(w, group, account, "", l.upTo, work)
		if err != nil {
			return 0, err
		}
		if err := removeWaiting(w, gone); err != nil {
			return 0, err
		}
		if work -= len(gone); work <= 0 {
			return 0, nil // perhaps not all of this one's
		}
		if err := w.Delete(l.key); err != nil {
			return 0, err
		}
	}
	return work, nil
}

// scanWaiting returns at most so many letters that wait for an account's device,
// or all of its devices if it is empty, up to a number.
func scanWaiting(r Reader, group record.GroupID, account record.Account, device peer.ID, upTo uint64, most int) ([]waiting, error) {
	var found []waiting
	owner := keyWaitingOf(group, account)
	err := r.Scan(keyWaitingFor(group, account, device), nil, func(key, value []byte) (bool, error) {
		if len(key) < len(owner)+8 {
			return false, fmt.Errorf("directory: stored key %q is malformed", key)
		}
		if number := numberOf(key); number <= upTo {
			found = append(found, waiting{group, account, peer.ID(key[len(owner) : len(key)-8]), number, numberOf(value)})
		} else if device != "" {
			return false, nil // they rise
		}
		return len(found) < most, nil
	})
	return found, err
}
