package directory_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// codeHash is the hash of the code that tests know by a number.
func codeHash(n int) [terms.HashSize]byte { return sha256.Sum256(fmt.Append(nil, "code ", n)) }

func hashes(numbers ...int) (all [][terms.HashSize]byte) {
	for _, n := range numbers {
		all = append(all, codeHash(n))
	}
	return all
}

func withCode(n int) directory.Pass {
	hash := codeHash(n)
	return directory.Pass{Invitation: hash[:]}
}

// termsModel is on which terms people should be able to sign up, and with what.
type termsModel struct {
	asked terms.Terms
	codes map[int]modelCode // that were given out, and are not known to have expired
}

type modelCode struct {
	expires time.Duration
	used    bool
}

// codes are those of the model, few enough that they meet.
const codes = 4

// someNewcomer is a name that nobody has in the beginning, or, now and then, one that
// somebody has.
var someNewcomer = rapid.SampledFrom([]record.Account{"alice1", "dave1", "erin1", "frank1", "grace1", "heidi1", "ivan1"})

func (m *model) setTerms(t *rapid.T) {
	m.terms.asked = terms.Terms{Invitation: rapid.Bool().Draw(t, "invitation"), Bits: rapid.SampledFrom([]int{0, 10, 20}).Draw(t, "bits")}
	m.queue(directory.SetTerms(m.terms.asked), wants(nil))
}

func (m *model) giveOut(t *rapid.T) {
	numbers := rapid.SliceOfN(rapid.IntRange(0, codes-1), 1, 3).Draw(t, "codes")
	lifetime := rapid.SampledFrom([]time.Duration{24 * time.Hour, 10 * 24 * time.Hour}).Draw(t, "lifetime")
	for _, n := range numbers {
		if _, known := m.terms.codes[n]; !known {
			m.terms.codes[n] = modelCode{expires: m.mail.clock + lifetime}
		}
	}
	m.queue(directory.Invite(hashes(numbers...), lifetime), wants(nil))
}

func (m *model) takeBack(*rapid.T) {
	for n, c := range m.terms.codes {
		if !c.used {
			delete(m.terms.codes, n)
		}
	}
	m.queue(directory.RevokeInvitations(), wants(nil))
}

// signUp has somebody sign up with what they have. Where it is refused it changes
// nothing, their invitation neither; where not, it may come again.
func (m *model) signUp(t *rapid.T) {
	name := someNewcomer.Draw(t, "account")
	known := m.people[name]
	p := directorytest.NewPerson(name)
	n := rapid.IntRange(-1, codes-1).Draw(t, "code")
	pass := directory.Pass{Bits: rapid.SampledFrom([]int{0, 10, 26}).Draw(t, "bits")}
	if n >= 0 {
		pass.Invitation = withCode(n).Invitation
	}
	code, out := m.terms.codes[n]
	switch asked := m.terms.asked; {
	case known != nil:
		m.queue(p.SignUpWith(pass), wants(wire.ErrNameTaken))
		return
	case pass.Bits < asked.Bits, asked.Invitation && n < 0:
		m.queue(p.SignUpWith(pass), wants(wire.ErrTerms))
		return
	case asked.Invitation && (!out || code.used):
		m.queue(p.SignUpWith(pass), wants(wire.ErrInvitation))
		return
	case asked.Invitation:
		code.used = true
		m.terms.codes[n] = code
	}
	m.people[name] = p
	m.queue(p.SignUpWith(pass), wants(nil))
	m.queue(p.SignUpWith(pass), wants(nil))
}

func (m *model) expireCodes() {
	for n, c := range m.terms.codes {
		if c.expires <= m.mail.clock {
			delete(m.terms.codes, n)
		}
	}
}

// compareTerms asks for the terms and for every code that there could be.
func (m *model) compareTerms(t *rapid.T) {
	if asked, err := m.Terms(); err != nil || asked != m.terms.asked {
		t.Fatalf("the terms are %+v, %v; want %+v", asked, err, m.terms.asked)
	}
	out := uint64(0)
	for n := range codes {
		code, given := m.terms.codes[n]
		valid := given && !code.used
		if valid {
			out++
		}
		if err := m.Invited(withCode(n).Invitation); (err == nil) != valid || err != nil && !errors.Is(err, wire.ErrInvitation) {
			t.Fatalf("code %d: %v; want %+v", n, err, code)
		}
	}
	if got, err := m.Invitations(); err != nil || got != out {
		t.Fatalf("%d are out, %v; want %d", got, err, out)
	}
	if problems := checkInvitations(t, m.store); problems != nil {
		t.Fatalf("the store is not sound: %v", problems)
	}
}

// checkInvitations reads a whole store and returns what does not fit together in its
// rows of invitations.
func checkInvitations(t storetest.TB, store directory.Store) (problems []string) {
	t.Helper()
	rows, out, counted := map[string]bool{}, uint64(0), uint64(0)
	toggle := func(row string) {
		if rows[row] {
			delete(rows, row) // its other half was there
			return
		}
		rows[row] = true
	}
	for _, p := range storetest.Dump(t, store) {
		switch key := string(p.Key); {
		case key == "ci":
			counted = binary.BigEndian.Uint64(p.Value)
		case key[0] == 'i':
			i := &pb.Invitation{}
			if err := proto.Unmarshal(p.Value, i); err != nil {
				problems = append(problems, err.Error())
			}
			if !i.GetUsed() {
				out++
			}
			toggle(fmt.Sprintf("%t %d %x", i.GetUsed(), i.GetExpires(), key[1:]))
		case key[0] == 'j':
			toggle(fmt.Sprintf("%t %d %x", key[1] == 'u', binary.BigEndian.Uint64(p.Key[2:10]), key[10:]))
		}
	}
	for row := range rows {
		problems = append(problems, "half of an invitation is missing: "+row)
	}
	if out != counted {
		problems = append(problems, fmt.Sprintf("%d invitations are out, and %d are counted", out, counted))
	}
	return problems
}
