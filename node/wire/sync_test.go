package wire

import (
	"errors"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/wire/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// numbers returns 0 to n-1.
func numbers(n int) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

func TestSyncRequestRoundTrip(t *testing.T) {
	want := SyncRequest{Group: record.GroupID{1}, Have: []Have{
		{Chain: [16]byte{1}, Next: 7, Missing: []uint32{0, 3, 6}}, {Chain: [16]byte{2}},
	}}
	got, err := ParseSyncRequest(want.ToWire())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// The largest request is one that the other side takes.
func TestSyncRequestIsBounded(t *testing.T) {
	const far = 1<<32 - 1
	var r SyncRequest
	for range MaxHaves + 10 {
		r.Have = append(r.Have, Have{Next: far, Missing: []uint32{far - 6, far - 5, far - 4, far - 3, far - 2}})
	}
	r.Have[0].Missing = numbers(MaxMissing / 2)
	m := r.ToWire()
	b, err := proto.Marshal(m)
	if err != nil || len(b) > MaxSyncRequest {
		t.Errorf("%d bytes of at most %d, %v", len(b), MaxSyncRequest, err)
	}
	got, err := ParseSyncRequest(m)
	if err != nil || len(got.Have) != MaxHaves {
		t.Fatalf("%d chains, %v", len(got.Have), err)
	}
	missing := 0
	for _, h := range got.Have {
		missing += len(h.Missing)
	}
	if missing != MaxMissing {
		t.Errorf("%d messages, want %d", missing, MaxMissing)
	}
}

func TestInvalidSyncRequests(t *testing.T) {
	group, chain := make([]byte, 16), make([]byte, 16)
	many := &pb.SyncRequest{Group: group}
	for range MaxHaves + 1 {
		many.Have = append(many.Have, &pb.Have{Chain: chain})
	}
	one := func(h *pb.Have) *pb.SyncRequest { return &pb.SyncRequest{Group: group, Have: []*pb.Have{h}} }
	for name, m := range map[string]*pb.SyncRequest{
		"no group":          {},
		"long group":        {Group: make([]byte, 17)},
		"no chain":          one(&pb.Have{}),
		"too many chains":   many,
		"too many messages": one(&pb.Have{Chain: chain, Next: 1 << 20, Missing: numbers(MaxMissing + 1)}),
		"not below next":    one(&pb.Have{Chain: chain, Next: 3, Missing: []uint32{1, 3}}),
		"not ascending":     one(&pb.Have{Chain: chain, Next: 9, Missing: []uint32{3, 3}}),
	} {
		if r, err := ParseSyncRequest(m); !errors.Is(err, ErrSync) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// What is taken is what ToWire makes of it.
func FuzzParseSyncRequest(f *testing.F) {
	seed, err := proto.Marshal(SyncRequest{Have: []Have{{Next: 9, Missing: []uint32{1, 5}}}}.ToWire())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m pb.SyncRequest
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		r, err := ParseSyncRequest(&m)
		if err != nil {
			return
		}
		again, err := ParseSyncRequest(r.ToWire())
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%+v came back as %+v, %v", r, again, err)
		}
	})
}
