package directory_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/directorytest"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// haste is how much faster time passes in a hasty store: a tick of two minutes is
// six days, so that mail expires within a test.
const haste = 6 * 24 * 30

// hasty is a store in which time passes faster.
type hasty struct{ directory.Store }

func (h hasty) Update(f func(directory.Writer) error) error {
	return h.Store.Update(func(w directory.Writer) error { return f(hastyWriter{w}) })
}

type hastyWriter struct{ directory.Writer }

func (w hastyWriter) Set(key, value []byte) error {
	if string(key) == "t" {
		before := uint64(0)
		if old, err := w.Get(key); err == nil {
			before = binary.BigEndian.Uint64(old)
		}
		value = binary.BigEndian.AppendUint64(nil, before+(binary.BigEndian.Uint64(value)-before)*haste)
	}
	return w.Writer.Set(key, value)
}

// mailModel is the mail that should wait.
type mailModel struct {
	clock  time.Duration
	unique int // letters so far that have an ID of their own
	queues map[peer.ID]*modelQueue
	clubs  map[record.GroupID]*modelClub
}

type modelQueue struct {
	last    uint64
	letters []modelLetter
}

type modelLetter struct {
	directory.Mail
	expires time.Duration
}

// modelClub is what waits in a group.
type modelClub struct {
	last    uint64
	letters map[uint64]modelLetter
	waiting map[directory.Member]map[uint64]uint64 // number -> letter
	left    map[record.Account]uint64
}

func newMailModel() mailModel {
	return mailModel{queues: map[peer.ID]*modelQueue{}, clubs: map[record.GroupID]*modelClub{}}
}

func (m *mailModel) queue(device peer.ID) *modelQueue {
	if m.queues[device] == nil {
		m.queues[device] = &modelQueue{}
	}
	return m.queues[device]
}

func (m *mailModel) club(id record.GroupID) *modelClub {
	if m.clubs[id] == nil {
		m.clubs[id] = &modelClub{
			letters: map[uint64]modelLetter{}, waiting: map[directory.Member]map[uint64]uint64{}, left: map[record.Account]uint64{},
		}
	}
	return m.clubs[id]
}

// put says what a letter should come to, of an account that may have most of them.
func (q *modelQueue) put(l modelLetter, most int) error {
	var own, ownBytes, all int
	for _, other := range q.letters {
		if other.Device == l.Device && other.ID == l.ID {
			return nil
		}
		if all += len(other.Sealed); other.From == l.From {
			own, ownBytes = own+1, ownBytes+len(other.Sealed)
		}
	}
	size := len(l.Sealed)
	if len(q.letters) == directory.MaxMailLetters || all+size > directory.MaxMailBytes ||
		own >= most || ownBytes+size > directory.MaxMailBytes/2 {
		return wire.ErrFull
	}
	q.last++
	l.Number = q.last
	q.letters = append(q.letters, l)
	return nil
}

func (m *model) putMail(t *rapid.T) {
	m.post(t, rapid.IntRange(1, 3).Draw(t, "letters"), func(int) letterID {
		return numberedID(rapid.IntRange(0, 5).Draw(t, "id"))
	})
}

// stuff fills a mailbox.
func (m *model) stuff(t *rapid.T) {
	m.post(t, 250, func(int) letterID {
		m.mail.unique++
		return numberedID(1000 + m.mail.unique)
	})
}

func (m *model) post(t *rapid.T, n int, id func(int) letterID) {
	from, sender := m.person(t)
	to, p := m.person(t)
	if sender == nil {
		t.Skip("nobody")
	}
	if p == nil {
		m.queue(directory.PutMail(from, sender.Devices[0].ID(), to, letters(sender.Devices[0].ID(), 1, 1, 1)), wants(wire.ErrNoAccount))
		return
	}
	key, active := m.device(t, p)
	device := key.ID()
	most := directory.MaxMailLetters / 2
	if lets := m.contacts[to]; to != from {
		switch {
		case lets.stands[from] == 'b':
			m.queue(directory.PutMail(from, sender.Devices[0].ID(), to, letters(device, 1, 1, 1)), wants(wire.ErrRefused))
			return
		case lets.stands[from] == 0 && lets.policy == directory.PolicyAsk:
			most = directory.MaxStrangerLetters
		}
	}
	var posted []directory.Letter
	var want []error
	before := len(m.mail.queue(device).letters)
	for i := range n {
		l := directory.Letter{ID: id(i), To: device, Envelope: bytes.Repeat([]byte{byte(i)}, 1+rapid.SampledFrom([]int{0, 7}).Draw(t, "size"))}
		posted = append(posted, l)
		if !active {
			want = append(want, wire.ErrRefused)
			continue
		}
		want = append(want, m.mail.queue(device).put(modelLetter{
			directory.Mail{From: from, Device: sender.Devices[0].ID(), ID: l.ID, Sealed: l.Envelope}, m.mail.clock + directory.MailLifetime,
		}, most))
	}
	var events []directory.Event
	if len(m.mail.queue(device).letters) > before {
		events = append(events, directory.MailWaiting{Account: to, Device: device})
	}
	m.queue(directory.PutMail(from, sender.Devices[0].ID(), to, posted), wantsPut(want, events))
}

// wantsPut wants results of letters, and events.
func wantsPut(want []error, events []directory.Event) func(*rapid.T, directory.Result) {
	return func(t *rapid.T, r directory.Result) {
		wants(nil)(t, r)
		got, err := directory.ParseLettersPut(r.Value)
		if err != nil || !slices.Equal(got, want) || fmt.Sprint(r.Events) != fmt.Sprint(events) {
			t.Fatalf("letters came to %v, %v, with %v; want %v with %v", got, err, r.Events, want, events)
		}
	}
}

func (m *model) takeMail(t *rapid.T) {
	name, p := m.person(t)
	if p == nil {
		m.queue(directory.TakeMail(name, directorytest.NewKey().ID(), 1), wants(wire.ErrNoAccount))
		return
	}
	key, active := m.device(t, p)
	q := m.mail.queue(key.ID())
	upTo := rapid.Uint64Range(0, q.last+1).Draw(t, "up to")
	command := directory.TakeMail(name, key.ID(), upTo)
	if !active {
		m.queue(command, wants(wire.ErrRefused))
		return
	}
	q.letters = slices.DeleteFunc(slices.Clone(q.letters), func(l modelLetter) bool { return l.Number <= upTo })
	m.queue(command, wants(nil))
}

func (m *model) putGroupMail(t *rapid.T) {
	from, sender := m.person(t)
	chain, known := m.groups[someGroup.Draw(t, "group")]
	if sender == nil || !known {
		t.Skip("nobody or nowhere")
	}
	device := sender.Devices[0].ID()
	var posted []directory.GroupLetter
	for range rapid.IntRange(1, 2).Draw(t, "letters") {
		l := directory.GroupLetter{ID: numberedID(rapid.IntRange(0, 3).Draw(t, "id")), Message: []byte{1}}
		l.Message = append(l.Message, l.ID[:]...)
		for range rapid.IntRange(1, 4).Draw(t, "devices") {
			if name, p := m.person(t); p != nil {
				key, _ := m.device(t, p)
				l.For = append(l.For, directory.Member{Account: name, Device: key.ID()})
			}
		}
		posted = append(posted, l)
	}
	command := directory.PutGroupMail(from, device, chain.ID(), posted)
	if !chain.Member(from) {
		m.queue(command, wants(wire.ErrRefused))
		return
	}
	club := m.mail.club(chain.ID())
	told := directory.GroupMailWaiting{Group: chain.ID()}
	var want []error
	for _, l := range posted {
		fresh, err := club.put(chain, l, modelLetter{
			directory.Mail{From: from, Device: device, ID: l.ID, Sealed: l.Message}, m.mail.clock + directory.MailLifetime,
		})
		want = append(want, err)
		for _, d := range fresh {
			if !slices.Contains(told.Devices, d) {
				told.Devices = append(told.Devices, d)
			}
		}
	}
	var events []directory.Event
	if len(told.Devices) > 0 {
		events = append(events, told)
	}
	m.queue(command, wantsPut(want, events))
}

// put says for whom a letter should be new, and what it should come to.
func (c *modelClub) put(chain record.Chain, l directory.GroupLetter, letter modelLetter) (fresh []peer.ID, err error) {
	n := uint64(0)
	for number, known := range c.letters {
		if known.Device == letter.Device && known.ID == letter.ID {
			n = number
		}
	}
	refused := true
	for _, to := range l.For {
		if !chain.Member(to.Account) {
			continue
		}
		refused = false
		old := uint64(0)
		for number, letter := range c.waiting[to] {
			if n != 0 && letter == n {
				old = number
			}
		}
		if old > c.left[to.Account] {
			continue
		}
		if len(fresh) == 0 {
			c.last++
		}
		if n == 0 {
			n = c.last
			c.letters[n] = letter
		}
		if c.waiting[to] == nil {
			c.waiting[to] = map[uint64]uint64{}
		}
		delete(c.waiting[to], old)
		c.waiting[to][c.last] = n
		fresh = append(fresh, to.Device)
	}
	if refused {
		return nil, wire.ErrRefused
	}
	return fresh, nil
}

// tidy removes what has expired, what is nobody's any more, and letters that
// nobody lacks.
func (c *modelClub) tidy(gone func(to directory.Member, number uint64, l modelLetter) bool) {
	lacked := map[uint64]bool{}
	for to, numbers := range c.waiting {
		maps.DeleteFunc(numbers, func(number, letter uint64) bool { return gone(to, number, c.letters[letter]) })
		for _, letter := range numbers {
			lacked[letter] = true
		}
	}
	maps.DeleteFunc(c.letters, func(n uint64, _ modelLetter) bool { return !lacked[n] })
}

func (m *model) takeGroupMail(t *rapid.T) {
	name, p := m.person(t)
	chain, known := m.groups[someGroup.Draw(t, "group")]
	if p == nil || !known {
		t.Skip("nobody or nowhere")
	}
	key, _ := m.device(t, p)
	club, own := m.mail.club(chain.ID()), directory.Member{Account: name, Device: key.ID()}
	upTo := rapid.Uint64Range(0, club.last+1).Draw(t, "up to")
	command := directory.TakeGroupMail(chain.ID(), name, key.ID(), upTo)
	if !chain.Member(name) {
		m.queue(command, wants(wire.ErrRefused))
		return
	}
	club.tidy(func(to directory.Member, number uint64, _ modelLetter) bool { return to == own && number <= upTo })
	m.queue(command, wants(nil))
}

// left says that somebody is not in a group any more.
func (m *mailModel) left(id record.GroupID, who record.Account) {
	club := m.club(id)
	for to, numbers := range club.waiting {
		if to.Account == who && len(numbers) > 0 {
			club.left[who] = club.last
		}
	}
}

// tick lets time pass, and proposes as many ticks as it can take until all has
// gone that has expired.
func (m *model) tick(t *rapid.T) {
	by := rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, 2 * time.Minute, time.Hour}).Draw(t, "elapsed")
	m.queue(directory.Tick(m.mail.clock, by), wants(nil))
	m.queue(directory.Tick(m.mail.clock, by), wants(nil)) // the same again: the clock has moved
	work := len(m.terms.codes)
	m.mail.clock += min(by, 2*time.Minute) * haste
	m.expireCodes()
	for _, q := range m.mail.queues {
		work += len(q.letters)
		q.letters = slices.DeleteFunc(slices.Clone(q.letters), func(l modelLetter) bool { return l.expires <= m.mail.clock })
	}
	for _, c := range m.mail.clubs {
		for _, numbers := range c.waiting {
			work += len(numbers)
		}
		c.tidy(func(to directory.Member, number uint64, l modelLetter) bool {
			return l.expires <= m.mail.clock || number <= c.left[to.Account]
		})
		clear(c.left)
	}
	for ; work >= 0; work -= 500 {
		m.queue(directory.Tick(m.mail.clock, 0), wants(nil))
	}
}

// compareMail asks the directory for all the mail that the model knows of, and
// looks for rows of mail that nobody needs.
func (m *model) compareMail(t *rapid.T) {
	if clock, err := m.Clock(); err != nil || clock != m.mail.clock {
		t.Fatalf("the clock says %v, %v; want %v", clock, err, m.mail.clock)
	}
	for name, p := range m.people {
		for _, key := range p.Devices {
			var want []directory.Mail
			for _, l := range m.mail.queue(key.ID()).letters {
				want = append(want, l.Mail)
			}
			page, more, err := m.Mail(name, key.ID(), 0, wire.MaxResponse)
			if err != nil || more || fmt.Sprint(page) != fmt.Sprint(want) {
				t.Fatalf("mail of %s: %v, %v; want %v", name, page, err, want)
			}
			for _, chain := range m.groups {
				m.compareClub(t, chain, directory.Member{Account: name, Device: key.ID()})
			}
		}
	}
	if problems := checkMail(t, m.store); problems != nil {
		t.Fatalf("the store is not sound: %v", problems)
	}
}

func (m *model) compareClub(t *rapid.T, chain record.Chain, own directory.Member) {
	club := m.mail.club(chain.ID())
	page, more, err := m.GroupMail(chain.ID(), own.Account, own.Device, 0, wire.MaxResponse)
	if !chain.Member(own.Account) {
		if !errors.Is(err, wire.ErrRefused) {
			t.Fatalf("%s is no member and gets %v, %v", own.Account, page, err)
		}
		return
	}
	var want []directory.Mail
	for number, letter := range club.waiting[own] {
		if number > club.left[own.Account] {
			l := club.letters[letter].Mail
			l.Number = number
			want = append(want, l)
		}
	}
	slices.SortFunc(want, func(a, b directory.Mail) int { return cmp.Compare(a.Number, b.Number) })
	if err != nil || more || fmt.Sprint(page) != fmt.Sprint(want) {
		t.Fatalf("group mail of %s: %v, %v; want %v", own.Account, page, err, want)
	}
}
