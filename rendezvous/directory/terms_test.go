package directory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// pass has so much time pass on the directory's clock, a tick at a time.
func (b *bench) pass(d time.Duration) {
	b.Helper()
	for ; d > 0; d -= 2 * time.Minute {
		now, err := b.Clock()
		if err != nil {
			b.Fatal(err)
		}
		b.ok(directory.Tick(now, min(d, 2*time.Minute)))
	}
}

func (b *bench) out(want uint64) {
	b.Helper()
	if got, err := b.Invitations(); err != nil || got != want {
		b.Errorf("%d invitations are out, %v; want %d", got, err, want)
	}
	b.sound(b.store)
}

// What the terms ask for is what a sign-up must bring; all the rest is as it was.
func TestTerms(t *testing.T) {
	b := newBench(t)
	early := b.signUp("early1")
	worked, invited := directory.Pass{Bits: 20}, withCode(1)
	both := invited
	both.Bits = 20
	b.ok(directory.Invite(hashes(1), time.Hour))
	for _, c := range []struct {
		what  string
		terms terms.Terms
		pass  directory.Pass
		want  error
	}{
		{"nothing for work", terms.Terms{Bits: 20}, directory.Pass{}, wire.ErrTerms},
		{"too little work", terms.Terms{Bits: 21}, worked, wire.ErrTerms},
		{"nothing for an invitation", terms.Terms{Invitation: true}, directory.Pass{}, wire.ErrTerms},
		{"work for an invitation", terms.Terms{Invitation: true}, worked, wire.ErrTerms},
		{"an invitation for work", terms.Terms{Bits: 20}, invited, wire.ErrTerms},
		{"an invitation for both", terms.Terms{Invitation: true, Bits: 20}, invited, wire.ErrTerms},
		{"a code of nobody", terms.Terms{Invitation: true}, withCode(9), wire.ErrInvitation},
		{"half a hash", terms.Terms{Invitation: true}, directory.Pass{Invitation: invited.Invitation[:16]}, wire.ErrInvitation},
		{"work", terms.Terms{Bits: 20}, worked, nil},
		{"work for open terms", terms.Terms{}, worked, nil},
		{"an invitation for open terms", terms.Terms{}, invited, nil}, // which is not used up
		{"nothing for open terms", terms.Terms{}, directory.Pass{}, nil},
		{"both", terms.Terms{Invitation: true, Bits: 19}, both, nil},
		{"both again", terms.Terms{Invitation: true, Bits: 19}, both, wire.ErrInvitation},
	} {
		b.ok(directory.SetTerms(c.terms))
		if got, err := b.Terms(); err != nil || got != c.terms {
			t.Fatalf("the terms are %+v, %v; want %+v", got, err, c.terms)
		}
		p := directorytest.NewPerson(record.Account("p" + string(rune('a'+b.index%26)) + "1"))
		if r := b.do(p.SignUpWith(c.pass)); !errors.Is(r.Err, c.want) || (r.Err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.what, r.Err, c.want)
		}
		if r := b.do(early.SignUp()); r.Err != nil {
			t.Errorf("%s: who was there before is refused: %v", c.what, r.Err)
		}
	}
	b.out(0)
	b.refused(wire.ErrBadRequest, "too much work", directory.SetTerms(terms.Terms{Bits: terms.MaxBits + 1}))
	b.refused(wire.ErrBadRequest, "too little", directory.SetTerms(terms.Terms{Bits: 1}))
}

// An invitation makes one account, whatever becomes of the answer; a sign-up that fails
// leaves it as it is.
func TestInvitationIsUsedOnce(t *testing.T) {
	b := newBench(t)
	taken := b.signUp("taken1")
	b.ok(directory.SetTerms(terms.Terms{Invitation: true}))
	b.ok(directory.Invite(hashes(1), time.Hour))
	b.refused(wire.ErrNameTaken, "a taken name", directorytest.NewPerson("taken1").SignUpWith(withCode(1)))
	thief := directorytest.NewPerson("thief1")
	key := taken.Devices[0]
	entry := record.NewDeviceLog("thief1", thief.Identity.Public()).Next(record.AddDevice, key.ID(), "", directorytest.Now).Sign(thief.Identity)
	b.refused(wire.ErrRefused, "another's device", directory.SignUp("thief1", make([]byte, 192), nil, thief.Identity.Public(), entry, withCode(1)))
	b.out(1)

	alice, bob := directorytest.NewPerson("alice1"), directorytest.NewPerson("bob1")
	if done, err := b.SignedUp("alice1", alice.Identity.Public(), nil); err != nil || done {
		t.Errorf("signed up before it: %v, %v", done, err)
	}
	b.ok(alice.SignUpWith(withCode(1)))
	b.out(0)
	b.ok(alice.SignUpWith(withCode(1)))
	b.refused(wire.ErrInvitation, "another with the same", bob.SignUpWith(withCode(1)))
	b.ok(directory.Invite(hashes(1), time.Hour)) // that the command comes again revives nothing
	b.out(0)
	b.refused(wire.ErrInvitation, "another, after it came again", bob.SignUpWith(withCode(1)))

	found, err := b.Account("alice1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who   *directorytest.Person
		first []byte
		want  bool
	}{{alice, found.Devices[0], true}, {alice, []byte("another"), false}, {bob, found.Devices[0], false}} {
		if done, err := b.SignedUp("alice1", c.who.Identity.Public(), c.first); err != nil || done != c.want {
			t.Errorf("%s is alice1: %v, %v", c.who.Account, done, err)
		}
	}
}

func TestInvitationExpires(t *testing.T) {
	b := newBench(t)
	b.ok(directory.SetTerms(terms.Terms{Invitation: true}))
	b.ok(directory.Invite(hashes(1, 2), directory.MinInvitation))
	b.ok(directory.Invite(hashes(3, 1), time.Hour)) // the first stays as it is
	b.out(3)
	b.pass(directory.MinInvitation - time.Minute)
	b.ok(directorytest.NewPerson("alice1").SignUpWith(withCode(1)))
	b.out(2)
	b.pass(time.Minute)
	b.refused(wire.ErrInvitation, "one that has expired", directorytest.NewPerson("bob1").SignUpWith(withCode(2)))
	b.out(1)
	b.ok(directorytest.NewPerson("bob1").SignUpWith(withCode(3)))
	b.out(0)
	b.pass(time.Hour)
	if rows := b.invitations(); rows != 0 {
		t.Errorf("%d rows are left", rows)
	}
}

// invitations counts the rows that a store holds for them.
func (b *bench) invitations() (rows int) {
	b.Helper()
	err := b.store.View(func(r directory.Reader) error {
		for _, prefix := range []string{"i", "j"} {
			err := r.Scan([]byte(prefix), nil, func(_, _ []byte) (bool, error) { rows++; return true, nil })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return rows
}

// However many are out, they go, and no command removes more than its part.
func TestManyInvitations(t *testing.T) {
	b := newBench(t)
	next := 0
	give := func(n int) []byte {
		numbers := make([]int, n)
		for i := range numbers {
			numbers[i] = next + i
		}
		return directory.Invite(hashes(numbers...), time.Hour)
	}
	for ; next < directory.MaxInvitations; next += directory.MaxInvite {
		b.ok(give(directory.MaxInvite))
	}
	b.refused(wire.ErrFull, "one more than there may be", give(1))
	b.ok(directory.Invite(hashes(0, 1), time.Hour)) // which are out already
	b.out(directory.MaxInvitations)
	b.ok(directory.SetTerms(terms.Terms{Invitation: true}))
	b.ok(directorytest.NewPerson("alice1").SignUpWith(withCode(7)))
	b.ok(give(1))

	before := b.invitations()
	unfinished := func(r directory.Result) bool {
		t.Helper()
		more, err := directory.ParseUnfinished(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		now := b.invitations()
		if most := 2 * 512; before-now > most {
			t.Fatalf("%d rows at once", before-now)
		}
		before = now
		return more
	}
	for range 3 {
		if !unfinished(b.ok(directory.RevokeInvitations())) {
			t.Fatal("all at once")
		}
	}
	b.sound(b.store)
	b.pass(time.Hour - 2*time.Minute)
	now, err := b.Clock()
	if err != nil {
		t.Fatal(err)
	}
	rounds := 1
	for more := unfinished(b.ok(directory.Tick(now, 2*time.Minute))); more; rounds++ {
		for n := range next { // those that are still stored have expired too
			if err := b.Invited(withCode(n).Invitation); !errors.Is(err, wire.ErrInvitation) {
				t.Fatalf("code %d: %v", n, err)
			}
		}
		more = unfinished(b.ok(directory.Tick(now, 0)))
	}
	if rounds < 10 {
		t.Errorf("%d ticks removed them", rounds)
	}
	b.out(0)
	if before != 0 {
		t.Errorf("%d rows are left", before)
	}
	b.ok(give(1))
	for unfinished(b.ok(directory.RevokeInvitations())) {
	}
	b.out(0)
	b.refused(wire.ErrInvitation, "one that was taken back", directorytest.NewPerson("bob1").SignUpWith(withCode(next)))
}

func TestInviteRefuses(t *testing.T) {
	b := newBench(t)
	for what, command := range map[string][]byte{
		"none":           directory.Invite(nil, time.Hour),
		"too many":       directory.Invite(make([][terms.HashSize]byte, directory.MaxInvite+1), time.Hour),
		"too short":      directory.Invite(hashes(1), directory.MinInvitation-time.Millisecond),
		"too long":       directory.Invite(hashes(1), directory.MaxInvitation+time.Millisecond),
		"since long ago": directory.Invite(hashes(1), -time.Hour),
	} {
		b.refused(wire.ErrBadRequest, what, command)
	}
	b.out(0)
}
