package store

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/roster"
	"github.com/tryst-chat/tryst/node/store/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Roster returns whom the account lets in, a new one if it never said.
func (t *Tx) Roster() roster.Roster {
	var m pb.Roster
	if !t.getMessage([]byte{rowRoster}, &m) {
		return roster.New()
	}
	return roster.Roster{
		Servers: roster.List{Version: m.GetVersion(), Policy: roster.Policy(m.GetPolicy()), Standings: standingsFromRow(m.GetStandings())},
		Own:     roster.Change{Policy: roster.Policy(m.GetOwnPolicy()), Standings: standingsFromRow(m.GetOwnStandings())},
	}
}

// PutRoster stores whom the account lets in.
func (t *Tx) PutRoster(r roster.Roster) {
	t.putMessage([]byte{rowRoster}, &pb.Roster{
		Version: r.Servers.Version, Policy: uint32(r.Servers.Policy), Standings: standingsToRow(r.Servers.Standings),
		OwnPolicy: uint32(r.Own.Policy), OwnStandings: standingsToRow(r.Own.Standings),
	})
}

func standingsFromRow(rows []*pb.Standing) map[record.Account]roster.Standing {
	standings := make(map[record.Account]roster.Standing, len(rows))
	for _, s := range rows {
		standings[record.Account(s.GetAccount())] = roster.Standing(s.GetStanding())
	}
	return standings
}

func standingsToRow(standings map[record.Account]roster.Standing) (rows []*pb.Standing) {
	for _, a := range slices.Sorted(maps.Keys(standings)) {
		rows = append(rows, &pb.Standing{Account: string(a), Standing: uint32(standings[a])})
	}
	return rows
}

// Held is a message of a stranger that waits for the person's word.
type Held struct {
	Device  peer.ID // that sent it
	Content []byte  // wire.Content, marshalled
}

func heldKey(a record.Account) []byte {
	return append([]byte{rowHeld, byte(len(a))}, a...)
}

// Hold keeps a stranger's message behind those of theirs that wait already.
func (t *Tx) Hold(from record.Account, h Held) {
	t.putMessage(binary.BigEndian.AppendUint64(heldKey(from), t.nextOrder()), &pb.Held{Device: []byte(h.Device), Content: h.Content})
}

// Held returns what waits of a stranger, in the order in which it came.
func (t *Tx) Held(from record.Account) (all []Held) {
	for _, r := range t.rows(heldKey(from), 0) {
		var m pb.Held
		if !t.decode(r.value, &m) {
			return nil
		}
		all = append(all, Held{Device: peer.ID(m.GetDevice()), Content: m.GetContent()})
	}
	return all
}

// DropHeld forgets what waits of a stranger.
func (t *Tx) DropHeld(from record.Account) {
	for _, r := range t.keys(heldKey(from), 0) {
		t.remove(r.key)
	}
}

// Waits returns how much waits of each stranger.
func (t *Tx) Waits() map[record.Account]roster.Load {
	loads := make(map[record.Account]roster.Load)
	for _, r := range t.rows([]byte{rowHeld}, 0) {
		var m pb.Held
		if len(r.key) < 2+8 || len(r.key) != 2+int(r.key[1])+8 {
			t.damaged(errLength)
		}
		if t.err != nil || !t.decode(r.value, &m) {
			return nil
		}
		from := record.Account(r.key[2 : len(r.key)-8])
		load := loads[from]
		loads[from] = roster.Load{Messages: load.Messages + 1, Bytes: load.Bytes + len(m.GetContent())}
	}
	return loads
}

// wroteAtOnce is how many lines of a conversation Wrote reads at a time.
const wroteAtOnce = 64

// Wrote tells whether a conversation has a line of an account.
func (t *Tx) Wrote(conversation string, by record.Account) bool {
	prefix := conversationKey(conversation)
	for first := prefix; ; {
		lines := t.rowsFrom(prefix, first, wroteAtOnce)
		for _, r := range lines {
			var m pb.Message
			if !t.decode(r.value, &m) {
				return false
			}
			if m.GetFrom() == string(by) {
				return true
			}
		}
		if len(lines) < wroteAtOnce {
			return false
		}
		first = append(lines[len(lines)-1].key, 0)
	}
}
