package directory

import (
	"errors"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
)

// What waits is counted three times: by queue, by sender within a queue, and in
// all. Whoever adds or removes a letter adds it to all three.

// loadQueue returns a queue and a sender's share of it, empty if not there.
func loadQueue(r Reader, queueKey, shareKey []byte) (*pb.Queue, *pb.Share, error) {
	queue, share := &pb.Queue{}, &pb.Share{}
	if err := load(r, queueKey, queue); err != nil && !errors.Is(err, ErrMissing) {
		return nil, nil, err
	}
	if err := load(r, shareKey, share); err != nil && !errors.Is(err, ErrMissing) {
		return nil, nil, err
	}
	return queue, share, nil
}

// addToQueue keeps an empty queue, for its last number: that never comes again.
func addToQueue(w Writer, key []byte, letters, bytes int64) error {
	queue := &pb.Queue{}
	if err := load(w, key, queue); err != nil && !errors.Is(err, ErrMissing) {
		return err
	}
	queue.Letters, queue.Bytes = added(queue.GetLetters(), letters), added(queue.GetBytes(), bytes)
	return save(w, key, queue)
}

func addToShare(w Writer, key []byte, letters, bytes int64) error {
	share := &pb.Share{}
	if err := load(w, key, share); err != nil && !errors.Is(err, ErrMissing) {
		return err
	}
	share.Letters, share.Bytes = added(share.GetLetters(), letters), added(share.GetBytes(), bytes)
	if share.GetLetters() == 0 && share.GetBytes() == 0 {
		return w.Delete(key)
	}
	return save(w, key, share)
}

func addToTotals(w Writer, letters, bytes, groupLetters, groupBytes int64) error {
	totals := &pb.MailTotals{}
	if err := load(w, keyMail, totals); err != nil && !errors.Is(err, ErrMissing) {
		return err
	}
	totals.Letters, totals.Bytes = added(totals.GetLetters(), letters), added(totals.GetBytes(), bytes)
	totals.GroupLetters = added(totals.GetGroupLetters(), groupLetters)
	totals.GroupBytes = added(totals.GetGroupBytes(), groupBytes)
	return save(w, keyMail, totals)
}

// added never falls below zero, whatever is in the store: a number that is wrong
// may not lock a queue for ever.
func added(n uint64, by int64) uint64 {
	if by < 0 && uint64(-by) > n {
		return 0
	}
	return n + uint64(by)
}
