package directory

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// On which terms people sign up stands in the directory, so that there is one answer in
// the whole cluster, and so do the invitations that are out. That one is used up is the
// same step as the sign-up: of two at once, at whatever servers, one gets it. (Like
// device keys, invitations belong to no account: a directory in shards would claim them
// where their hash lies, and then make the account.) Who used which is not written down.
//
// Work is checked by the server that takes the sign-up: it needs a clock and a key. How
// much was done stands in the command and is compared here, so that a server that has
// not heard of new terms yet lets nobody in on the old ones.

// SetTerms says on which terms people sign up from the next command on. It results in
// wire.ErrBadRequest for terms that there are not.
func SetTerms(t terms.Terms) []byte {
	return encode(&pb.Command{Kind: &pb.Command_SetTerms{SetTerms: &pb.SetTerms{
		Invitation: t.Invitation, Bits: uint32(max(t.Bits, 0)),
	}}})
}

// Invite gives out invitations, 1 to MaxInvite hashes of codes, for a lifetime from
// MinInvitation to MaxInvitation, whatever the terms are. One that was given out before
// stays as it is. It results in wire.ErrFull if more than MaxInvitations were out then.
func Invite(hashes [][terms.HashSize]byte, lifetime time.Duration) []byte {
	raw := make([][]byte, len(hashes))
	for i := range hashes {
		raw[i] = hashes[i][:]
	}
	return encode(&pb.Command{Kind: &pb.Command_Invitations{Invitations: &pb.Invitations{
		Hashes: raw, Lifetime: uint64(max(lifetime, 0).Milliseconds()),
	}}})
}

// RevokeInvitations takes back all that are out, as many as one transaction holds. The
// result's Value is for ParseUnfinished.
func RevokeInvitations() []byte {
	return encode(&pb.Command{Kind: &pb.Command_Invitations{Invitations: &pb.Invitations{Revoke: true}}})
}

// Pass is what a sign-up brings for the terms.
type Pass struct {
	Invitation []byte // hash of a code; empty: none
	Bits       int    // of work that the server has checked
}

func setTerms(w Writer, c *pb.SetTerms) error {
	t := terms.Terms{Invitation: c.GetInvitation(), Bits: int(c.GetBits())}
	if err := t.Check(); err != nil {
		return fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
	return save(w, keyTerms, &pb.Terms{Invitation: t.Invitation, Bits: uint32(t.Bits)})
}

func invitations(w Writer, c *pb.Invitations) ([]byte, error) {
	if c.GetRevoke() {
		return revokeInvitations(w)
	}
	return nil, invite(w, c)
}

func invite(w Writer, c *pb.Invitations) error {
	if n := len(c.GetHashes()); n == 0 || n > MaxInvite {
		return fmt.Errorf("%w: %d invitations at once", wire.ErrBadRequest, n)
	}
	if lifetime := c.GetLifetime(); lifetime < uint64(MinInvitation.Milliseconds()) || lifetime > uint64(MaxInvitation.Milliseconds()) {
		return fmt.Errorf("%w: an invitation that is good for %d ms", wire.ErrBadRequest, lifetime)
	}
	now, err := count(w, keyClock)
	if err != nil {
		return err
	}
	out, err := count(w, keyInvited)
	if err != nil {
		return err
	}
	fresh := make(map[string]bool)
	for _, hash := range c.GetHashes() {
		if len(hash) != terms.HashSize {
			return fmt.Errorf("%w: a hash of %d bytes", wire.ErrBadRequest, len(hash))
		}
		known, err := has(w, keyInvite(hash))
		if err != nil {
			return err
		}
		fresh[string(hash)] = !known
	}
	for _, isNew := range fresh {
		if isNew {
			out++
		}
	}
	if out > MaxInvitations {
		return fmt.Errorf("%w: more than %d invitations would be out", wire.ErrFull, MaxInvitations)
	}
	expires := now + c.GetLifetime()
	for _, hash := range c.GetHashes() {
		if !fresh[string(hash)] {
			continue
		}
		if err := save(w, keyInvite(hash), &pb.Invitation{Expires: expires}); err != nil {
			return err
		}
		if err := w.Set(keyInviteExpiry(inviteOut, expires, hash), nil); err != nil {
			return err
		}
	}
	return w.Set(keyInvited, numberValue(out))
}

// meets returns nil if a sign-up meets the terms, and what uses its invitation up; it
// has written nothing then.
func meets(w Writer, c *pb.SignUp) (use func() error, err error) {
	nothing := func() error { return nil }
	asked, err := loadTerms(w)
	if err != nil {
		return nil, err
	}
	if int(c.GetBits()) < asked.Bits {
		return nil, fmt.Errorf("%w: work of %d bits", wire.ErrTerms, asked.Bits)
	}
	if !asked.Invitation {
		return nothing, nil
	}
	hash := c.GetInvitation()
	if len(hash) == 0 {
		return nil, fmt.Errorf("%w: an invitation", wire.ErrTerms)
	}
	i, err := loadInvitation(w, hash)
	if err != nil {
		return nil, err
	}
	return func() error { return useInvitation(w, hash, i) }, nil
}

// useInvitation marks one as used. It stays until it expires: a command that gave it out
// may come a second time (see cluster.Propose), and must not give it out again.
func useInvitation(w Writer, hash []byte, i *pb.Invitation) error {
	i.Used = true
	return errors.Join(
		save(w, keyInvite(hash), i),
		w.Delete(keyInviteExpiry(inviteOut, i.GetExpires(), hash)),
		w.Set(keyInviteExpiry(inviteUsed, i.GetExpires(), hash), nil),
		fewerInvited(w, 1),
	)
}

// loadInvitation returns one that may be used now, else wire.ErrInvitation.
func loadInvitation(r Reader, hash []byte) (*pb.Invitation, error) {
	i := &pb.Invitation{}
	if err := load(r, keyInvite(hash), i); err != nil {
		return nil, orElse(err, fmt.Errorf("%w: nobody has given it out, or it has expired", wire.ErrInvitation))
	}
	now, err := count(r, keyClock)
	switch {
	case err != nil:
		return nil, err
	case i.GetUsed():
		return nil, fmt.Errorf("%w: it was used", wire.ErrInvitation)
	case i.GetExpires() <= now:
		return nil, fmt.Errorf("%w: it has expired", wire.ErrInvitation)
	}
	return i, nil
}

func loadTerms(r Reader) (terms.Terms, error) {
	var t pb.Terms
	if err := load(r, keyTerms, &t); err != nil && !errors.Is(err, ErrMissing) {
		return terms.Terms{}, err
	}
	return terms.Terms{Invitation: t.GetInvitation(), Bits: int(t.GetBits())}, nil
}

func fewerInvited(w Writer, by uint64) error {
	out, err := count(w, keyInvited)
	if err != nil {
		return err
	}
	return w.Set(keyInvited, numberValue(out-by))
}

// revokeInvitations removes at most expireWork that are out. Those that were used stay
// until they expire.
func revokeInvitations(w Writer) ([]byte, error) {
	left, err := dropInvitations(w, inviteOut, math.MaxUint64, expireWork)
	if err != nil {
		return nil, err
	}
	return marshal(&pb.Unfinished{More: left == 0})
}

// expireInvitations removes at most so many that have expired, used or not, and returns
// how much of that work is left over.
func expireInvitations(w Writer, now uint64, work int) (int, error) {
	for _, state := range []byte{inviteOut, inviteUsed} {
		var err error
		if work, err = dropInvitations(w, state, now, work); err != nil || work == 0 {
			return 0, err
		}
	}
	return work, nil
}

// dropInvitations removes at most so many of a state that expire up to a time, and
// returns how much of that work is left over.
func dropInvitations(w Writer, state byte, until uint64, work int) (int, error) {
	var keys [][]byte
	prefix := keyInvites(state)
	err := w.Scan(prefix, nil, func(key, _ []byte) (bool, error) {
		if len(key) != len(prefix)+8+terms.HashSize {
			return false, fmt.Errorf("directory: stored key %q is malformed", key)
		}
		if numberOf(key[:len(prefix)+8]) > until {
			return false, nil
		}
		keys = append(keys, key)
		return len(keys) < work, nil
	})
	if err != nil || len(keys) == 0 {
		return work, err
	}
	for _, key := range keys {
		if err := errors.Join(w.Delete(key), w.Delete(keyInvite(key[len(prefix)+8:]))); err != nil {
			return 0, err
		}
	}
	if state == inviteOut {
		err = fewerInvited(w, uint64(len(keys)))
	}
	return work - len(keys), err
}

// Terms returns on which terms people sign up.
func (d *Directory) Terms() (t terms.Terms, err error) {
	err = d.store.View(func(r Reader) error {
		t, err = loadTerms(r)
		return err
	})
	return t, err
}

// Invitations returns how many are out: not used, and not known to have expired.
func (d *Directory) Invitations() (out uint64, err error) {
	err = d.store.View(func(r Reader) error {
		out, err = count(r, keyInvited)
		return err
	})
	return out, err
}

// Invited returns nil if an invitation, by the hash of its code, may be used now, else
// wire.ErrInvitation.
func (d *Directory) Invited(hash []byte) error {
	return d.store.View(func(r Reader) error {
		_, err := loadInvitation(r, hash)
		return err
	})
}
