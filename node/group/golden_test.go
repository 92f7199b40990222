package group

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

var update = flag.Bool("update", false, "write testdata anew: states that were stored must go on being read, so only to add cases")

const goldenPath = "testdata/group.json"

// golden is a group as it was stored once, and a message to it that was under way.
// Bytes are hexadecimal, devices peer IDs.
type golden struct {
	Statements             []string
	State, Topic           string
	From                   record.Account
	Device                 string
	Distribution           string // of the message that waits in the state
	Waiting                string // what that says
	Message, MessageSaying string // in a chain that the state has
}

func writeGolden(t *testing.T) {
	t.Helper()
	c, s := fullState(t)
	c.states[0] = s
	var g golden
	for _, raw := range s.Statements() {
		g.Statements = append(g.Statements, hex.EncodeToString(raw))
	}
	fresh := c.states[1].Renew()
	_, out, err := fresh.Send(c.selves[1], []byte("waits"), members(c.selves...))
	if err != nil {
		t.Fatal(err)
	}
	c.receive(t, 1, 0, out.Sealed.Message)
	b, err := c.states[0].MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	g.State, g.From, g.Device, g.Waiting = hex.EncodeToString(b), c.selves[1].Account, c.selves[1].Device.String(), "waits"
	g.Topic, _ = c.states[0].Topic()
	g.Distribution = hex.EncodeToString(out.SenderKeys[c.selves[0].Device])
	g.Message, g.MessageSaying = hex.EncodeToString(c.sendOnly(t, 1, "under way").Sealed.Message), "under way"
	text, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenPath, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A group that was stored once goes on for ever: its state, its topic and its messages.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	b, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	unhex := func(s string) []byte {
		t.Helper()
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var statements [][]byte
	for _, s := range g.Statements {
		statements = append(statements, unhex(s))
	}
	s, err := Parse(unhex(g.State), statements, func(record.Account, peer.ID) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, unhex(g.State)) {
		t.Errorf("the state encodes to other bytes, %v", err)
	}
	if topic, ok := s.Topic(); !ok || topic != g.Topic {
		t.Errorf("topic %q, want %q", topic, g.Topic)
	}
	device, err := peer.Decode(g.Device)
	if err != nil {
		t.Fatal(err)
	}
	from := Member{g.From, device}
	s, delivered, _, err := s.Receive(from, unhex(g.Message))
	if err != nil || len(delivered) != 1 || string(delivered[0].Content) != g.MessageSaying {
		t.Errorf("delivered %+v, %v", delivered, err)
	}
	if _, delivered, err = s.AcceptSenderKey(from, 1, unhex(g.Distribution)); err != nil || len(delivered) != 1 || string(delivered[0].Content) != g.Waiting {
		t.Errorf("released %+v, %v", delivered, err)
	}
}
