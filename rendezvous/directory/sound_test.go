package directory_test

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/directory/storetest"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// peerSize is the length of the peer ID of an Ed25519 key.
const peerSize = 38

// mailRows is what a store holds of mail, read from its rows alone and put into
// words, so that rows that belong together can be looked up.
type mailRows struct {
	letters  map[string]*pb.Letter // by queue and number
	has      map[string]bool       // every row, by its kind and what it is about
	queues   map[string]*pb.Queue
	shares   map[string]*pb.Share
	lacking  map[string]int    // devices, by queue and letter
	lackedBy map[string]uint64 // letter, by queue, member and number
	totals   pb.MailTotals
	problems []string
}

func (m *mailRows) fail(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

func (m *mailRows) parse(value []byte, into proto.Message) {
	if err := proto.Unmarshal(value, into); err != nil {
		m.fail("%v", err)
	}
}

func split(rest []byte) (string, uint64) {
	n := len(rest) - 8
	return string(rest[:n]), binary.BigEndian.Uint64(rest[n:])
}

// row notes one row of the store. A queue is named by its kind and its key.
func (m *mailRows) row(key, value []byte) {
	switch key[0] {
	case 'a':
		account, rest, _ := bytes.Cut(key[1:], []byte{0})
		if bytes.IndexByte([]byte("qmvif"), rest[0]) >= 0 {
			m.mail(rest[0], fmt.Sprintf("a %s %x", account, rest[1:1+peerSize]), rest[1+peerSize:], value)
		}
	case 'g':
		if id, field := key[1:17], key[17]; bytes.IndexByte([]byte("qmvifrw"), field) >= 0 {
			m.mail(field, fmt.Sprintf("g %x", id), key[18:], value)
		}
	case 'e':
		at := binary.BigEndian.Uint64(key[1:9])
		owner, n := split(key[10:])
		if key[9] == 'a' {
			account, device, _ := bytes.Cut([]byte(owner), []byte{0})
			m.has[fmt.Sprintf("e %d a %s %x %d", at, account, device, n)] = true
		} else {
			m.has[fmt.Sprintf("e %d g %x %d", at, owner, n)] = true
		}
	case 'x':
		m.has[fmt.Sprintf("x g %x %s", key[1:17], key[17:])] = true
	case 'c':
		if string(key) == "cm" {
			m.parse(value, &m.totals)
		}
	}
}

func (m *mailRows) mail(field byte, queue string, rest, value []byte) {
	switch field {
	case 'q':
		m.queues[queue] = &pb.Queue{}
		m.parse(value, m.queues[queue])
	case 'm':
		l := &pb.Letter{}
		m.parse(value, l)
		m.letters[fmt.Sprintf("%s %d", queue, binary.BigEndian.Uint64(rest))] = l
	case 'v':
		m.has[fmt.Sprintf("v %s %d %d", queue, binary.BigEndian.Uint64(rest), len(value))] = true
	case 'i':
		m.has[fmt.Sprintf("i %s %x %d", queue, rest, binary.BigEndian.Uint64(value))] = true
	case 'f':
		share := &pb.Share{}
		m.parse(value, share)
		m.shares[queue+" of "+string(rest)] = share
	case 'r':
		member, number := split(rest)
		m.lackedBy[fmt.Sprintf("%s %x %d", queue, member, number)] = binary.BigEndian.Uint64(value)
	case 'w':
		letter := binary.BigEndian.Uint64(rest)
		m.lacking[fmt.Sprintf("%s %d", queue, letter)]++
		m.has[fmt.Sprintf("w %s %x %d %d", queue, rest[8:], binary.BigEndian.Uint64(value), letter)] = true
	}
}

// checkMail reads a whole store and returns what does not fit together in it:
// rows without those they belong to, and sums that are not the sums.
func checkMail(t storetest.TB, store directory.Store) []string {
	t.Helper()
	m := &mailRows{
		letters: map[string]*pb.Letter{}, has: map[string]bool{}, queues: map[string]*pb.Queue{},
		shares: map[string]*pb.Share{}, lacking: map[string]int{}, lackedBy: map[string]uint64{},
	}
	for _, p := range storetest.Dump(t, store) {
		m.row(p.Key, p.Value)
	}
	queues, shares, totals := map[string]*pb.Queue{}, map[string]*pb.Share{}, &pb.MailTotals{}
	for name, l := range m.letters {
		queue := name[:bytes.LastIndexByte([]byte(name), ' ')]
		bytes := uint64(l.GetSize()) + uint64(m.lacking[name]*directory.WaitingCost)
		var number uint64
		fmt.Sscan(name[len(queue):], &number)
		m.need("v %s %d", name, l.GetSize())
		m.need("i %s %x%x %d", queue, l.GetDevice(), l.GetId(), number)
		m.need("e %d %s", l.GetExpires(), name)
		if queues[queue] == nil {
			queues[queue] = &pb.Queue{}
		}
		share := queue + " of " + l.GetFrom()
		if shares[share] == nil {
			shares[share] = &pb.Share{}
		}
		queues[queue].Letters, queues[queue].Bytes = queues[queue].GetLetters()+1, queues[queue].GetBytes()+bytes
		shares[share].Letters, shares[share].Bytes = shares[share].GetLetters()+1, shares[share].GetBytes()+bytes
		if name[0] == 'a' {
			totals.Letters, totals.Bytes = totals.GetLetters()+1, totals.GetBytes()+bytes
			continue
		}
		totals.GroupLetters, totals.GroupBytes = totals.GetGroupLetters()+1, totals.GetGroupBytes()+bytes
		if m.lacking[name] == 0 {
			m.fail("letter %s waits for nobody", name)
		}
		delete(m.lacking, name)
	}
	for name := range m.lacking {
		m.fail("somebody lacks letter %s, which is not there", name)
	}
	for name, letter := range m.lackedBy {
		var kind, group, member string
		var number uint64
		fmt.Sscan(name, &kind, &group, &member, &number)
		m.need("w %s %s %s %d %d", kind, group, member, number, letter)
	}
	m.sums(queues, shares, totals)
	for name := range m.has {
		if name[0] != 'x' {
			m.fail("a row is left: %s", name)
		}
	}
	return m.problems
}

// need uses up a row that has to be there.
func (m *mailRows) need(format string, args ...any) {
	name := fmt.Sprintf(format, args...)
	if !m.has[name] {
		m.fail("a row is missing: %s", name)
	}
	delete(m.has, name)
}

func (m *mailRows) sums(queues map[string]*pb.Queue, shares map[string]*pb.Share, totals *pb.MailTotals) {
	if !proto.Equal(totals, &m.totals) {
		m.fail("totals %v, want %v", &m.totals, totals)
	}
	for name, q := range m.queues {
		want := queues[name]
		if want == nil {
			want = &pb.Queue{}
		}
		if q.GetLetters() != want.GetLetters() || q.GetBytes() != want.GetBytes() {
			m.fail("queue %s: %v, want %v", name, q, want)
		}
		delete(queues, name)
	}
	for name, s := range m.shares {
		if !proto.Equal(s, shares[name]) {
			m.fail("share %s: %v, want %v", name, s, shares[name])
		}
		delete(shares, name)
	}
	if len(queues)+len(shares) > 0 {
		m.fail("not counted: %v, %v", queues, shares)
	}
}

// sound fails where rows of mail or of invitations do not fit together.
func (b *bench) sound(store directory.Store) {
	b.Helper()
	for _, problem := range append(checkMail(b, store), checkInvitations(b, store)...) {
		b.Error(problem)
	}
}

// mailOf counts the rows that a store holds for an account's mail.
func (b *bench) mailOf(account record.Account) (rows int) {
	b.Helper()
	for _, p := range storetest.Dump(b, b.store) {
		if bytes.Contains(p.Key, []byte(account)) && p.Key[0] != 'd' {
			if rest := bytes.TrimPrefix(p.Key, append([]byte("a"+account), 0)); p.Key[0] != 'a' || bytes.IndexByte([]byte("qmvif"), rest[0]) >= 0 {
				rows++
			}
		}
	}
	return rows
}
