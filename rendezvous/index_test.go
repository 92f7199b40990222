package rendezvous_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
	"github.com/tryst-chat/tryst/testnet/harness"
)

// An answer's index is no older than what was read, so that a client which goes to
// another server with it finds no less there.
func TestAnswersAreNoNewerThanTheirIndex(t *testing.T) {
	w := newWorld(t, 1)
	ctx := harness.Within(t)
	server := w.servers[0].ID()
	alice := w.member(0, "alice")
	group := record.NewGroupID()
	var chain record.Chain
	var written [300]atomic.Uint64 // the index at which each statement came
	add := func(signed []byte) {
		next, err := chain.Append(signed, func(record.Account, peer.ID) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		resp, err := exchange(ctx, alice.host, server, &pb.Request{Kind: &pb.Request_AppendGroup{AppendGroup: &pb.AppendGroup{Statement: signed}}})
		if err != nil {
			t.Fatal(err)
		}
		chain = next
		written[chain.Len()-1].Store(resp.GetIndex())
	}
	add(alice.newGroup("chess", group))

	type answer struct{ length, index uint64 }
	const readers = 8
	answers := make(chan []answer, readers)
	var over atomic.Bool
	for i := range readers {
		reader := w.member(0, "r"+string(rune('a'+i))) // one alone may not ask as much
		go func() {
			var mine []answer
			defer func() { answers <- mine }()
			for !over.Load() {
				resp, err := exchange(ctx, reader.host, server, &pb.Request{Kind: &pb.Request_GetGroup{GetGroup: &pb.GetGroup{By: &pb.GetGroup_Id{Id: group[:]}, From: record.MaxChain}}})
				if err != nil {
					t.Error(err)
					return
				}
				mine = append(mine, answer{resp.GetGroup().GetLength(), resp.GetIndex()})
			}
		}()
	}
	for range len(written) - 1 {
		s := chain.Next(record.Rekey, alice.account, alice.host.ID(), time.Now())
		s.Commitment = record.Hash{1}
		add(s.Sign(alice.key))
	}
	over.Store(true)
	for range readers {
		for _, a := range <-answers {
			if newest := written[a.length-1].Load(); newest > a.index {
				t.Errorf("%d statements, the last written at index %d, came with index %d", a.length, newest, a.index)
			}
		}
	}
}
