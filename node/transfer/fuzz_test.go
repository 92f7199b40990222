package transfer

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/node/wire/pb"
)

// fuzzManifest holds for any bytes: a manifest that is taken survives the way
// back unchanged, and a receiver made from it refuses garbage.
func fuzzManifest(t *testing.T, b []byte) {
	var f pb.File
	if proto.Unmarshal(b, &f) != nil {
		return
	}
	m, err := FromWire(&f)
	if err != nil {
		return
	}
	again, err := FromWire(m.ToWire())
	if err != nil || again.ID != m.ID || again.Size != m.Size {
		t.Fatalf("round trip: %v", err)
	}
	r, err := NewReceiver(m)
	if err != nil {
		t.Fatal(err)
	}
	if r.Hashes(b) == nil {
		t.Fatal("garbage was taken for hashes")
	}
	if _, err := r.Chunk(b); err == nil {
		t.Fatal("garbage was taken for a chunk")
	}
}
