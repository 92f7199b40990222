package session

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

var update = flag.Bool("update", false, "write testdata anew; what was stored and sealed before must go on, so only to add cases")

const goldenPath = "testdata/session.json"

// golden is two devices as they were stored once, and envelopes to bob that were under
// way. Bytes are hexadecimal.
type golden struct {
	Alice, Bob goldenDevice
	Letters    []goldenLetter // in the order in which they come
	Answer     goldenLetter   // bob's, after the first of them, with a key that is not stored here
}

type goldenDevice struct {
	Account      record.Account
	Device       string // peer ID
	DH           string
	SignedID     uint32
	Signed       string
	LastResortID uint32
	LastResort   string
	OneTime      []goldenOneTime
	Record       string
}

type goldenOneTime struct {
	ID      uint32
	DH, KEM string
}

type goldenLetter struct{ Envelope, Plaintext string }

func frozen(t *testing.T, d *device) goldenDevice {
	t.Helper()
	g := d.keys.Generations[0]
	out := goldenDevice{
		Account: d.local.Account, Device: d.local.Device.String(), DH: hex.EncodeToString(d.local.DH.Bytes()),
		SignedID: g.SignedID, Signed: hex.EncodeToString(g.Signed.Bytes()),
		LastResortID: g.LastResortID, LastResort: hex.EncodeToString(g.LastResort.Bytes()),
		Record: hex.EncodeToString([]byte(encoded(t, d.record))),
	}
	for id, pair := range d.oneTime {
		out.OneTime = append(out.OneTime, goldenOneTime{id, hex.EncodeToString(pair.DH.Bytes()), hex.EncodeToString(pair.KEM.Bytes())})
	}
	return out
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// thawed is the device that frozen was given, but for its signing key.
func thawed(t *testing.T, g goldenDevice) *device {
	t.Helper()
	var errs [5]error
	d := &device{oneTime: make(map[uint32]account.OneTime)}
	d.local.Account = g.Account
	d.local.Device, errs[0] = peer.Decode(g.Device)
	d.local.DH, errs[1] = key.ParseDH(unhex(t, g.DH))
	generation := account.Generation{SignedID: g.SignedID, LastResortID: g.LastResortID, Made: now}
	generation.Signed, errs[2] = key.ParseDH(unhex(t, g.Signed))
	generation.LastResort, errs[3] = key.ParseKEM(unhex(t, g.LastResort))
	d.keys.Generations = []account.Generation{generation}
	d.record, errs[4] = ParseRecord(unhex(t, g.Record))
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range g.OneTime {
		dh, errDH := key.ParseDH(unhex(t, o.DH))
		kem, errKEM := key.ParseKEM(unhex(t, o.KEM))
		if errDH != nil || errKEM != nil {
			t.Fatal(errDH, errKEM)
		}
		d.oneTime[o.ID] = account.OneTime{ID: o.ID, DH: dh, KEM: kem}
	}
	return d
}

func writeGolden(t *testing.T) {
	t.Helper()
	alice, bob := newPair(t)
	var g golden
	letter := func(text string) {
		g.Letters = append(g.Letters, goldenLetter{hex.EncodeToString(alice.encrypt(t, bob, text)), text})
	}
	talk(t, alice, bob) // a session that goes on
	letter("in the session that bob has")
	alice.begin(t, bob, true)
	letter("in one with a one-time prekey")
	alice.begin(t, bob, false)
	letter("in one with the last resort")
	letter("")
	g.Alice, g.Bob = frozen(t, alice), frozen(t, bob)
	bob.mustDecrypt(t, alice, unhex(t, g.Letters[0].Envelope), g.Letters[0].Plaintext)
	g.Answer = goldenLetter{hex.EncodeToString(bob.encrypt(t, alice, "an answer")), "an answer"}

	b, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenPath, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Records that were stored once, prekeys that were published once and envelopes that
// were sealed once open for ever, and the sessions go on.
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
	alice, bob := thawed(t, g.Alice), thawed(t, g.Bob)
	for d, want := range map[*device]string{alice: g.Alice.Record, bob: g.Bob.Record} {
		if hex.EncodeToString([]byte(encoded(t, d.record))) != want {
			t.Errorf("the record of %s encodes to other bytes", d.local.Account)
		}
	}
	if len(g.Letters) < 4 || len(bob.oneTime) != 1 {
		t.Fatal("cases are missing")
	}
	for _, l := range g.Letters {
		bob.mustDecrypt(t, alice, unhex(t, l.Envelope), l.Plaintext)
	}
	if len(bob.oneTime) != 0 {
		t.Error("the one-time prekey is still there")
	}
	thawed(t, g.Alice).mustDecrypt(t, bob, unhex(t, g.Answer.Envelope), g.Answer.Plaintext)
	bob.mustDecrypt(t, alice, alice.encrypt(t, bob, "and on"), "and on")
	alice.mustDecrypt(t, bob, bob.encrypt(t, alice, "and on"), "and on")
}
