package record

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// key is a signing key made from a number, so that failures repeat.
type key struct{ ed25519.PrivateKey }

func newKey(number byte) key {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = number
	return key{ed25519.NewKeyFromSeed(seed)}
}

func (k key) Sign(message []byte) []byte { return ed25519.Sign(k.PrivateKey, message) }

func (k key) public() ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func (k key) id() peer.ID {
	public, err := crypto.UnmarshalEd25519PublicKey(k.public())
	if err != nil {
		panic(err)
	}
	id, err := peer.IDFromPublicKey(public)
	if err != nil {
		panic(err)
	}
	return id
}

var (
	identity = newKey(1) // an account's, or the cluster's
	device   = newKey(2)
	stranger = newKey(3)
	now      = time.Unix(1_800_000_000, 0).UTC()
)

func filled[T any](set func(*T)) (v T) { set(&v); return v }

// kind is one kind of record: a valid one, what it verifies to, and how.
type kind struct {
	name   string
	signed []byte
	want   any
	// verify returns the verified value; sign signs it again.
	verify func(signed []byte) (any, error)
	sign   func(v any) []byte
}

func kinds() []kind {
	certificate := Certificate{Server: device.id(), Name: "s1", From: now, Until: now.Add(time.Hour)}
	permit := Permit{Device: stranger.id(), Until: now.Add(PermitLifetime)}
	entry := DeviceEntry{Account: "alice42", Seq: 3, Prev: Hash{9}, Op: AddDevice, Device: device.id(), Name: "laptop", At: now}
	bundle := filled(func(b *Bundle) {
		*b = Bundle{Account: "alice42", Device: device.id(), Suite: 1, SignedPrekeyID: 7, LastResortID: 1<<32 - 1, At: now}
		b.IdentityDH[0], b.SignedPrekey[1], b.LastResort[2] = 1, 2, 3
	})
	prekey := filled(func(p *OneTimePrekey) {
		*p = OneTimePrekey{Device: device.id(), ID: 5}
		p.DH[3], p.KEM[KEMSize-1] = 4, 5
	})
	create := Statement{Group: GroupID{1}, Op: CreateGroup, Name: "friends", Actor: "alice42", Device: device.id(), Commitment: Hash{8}, At: now}
	create.Settings = Settings{Private: true, History: 50}
	invite := Statement{Group: GroupID{1}, Seq: 3, Prev: Hash{2}, Op: Invite, Actor: "alice42", Subject: "bob7", Device: device.id(), At: now}
	join := Statement{Group: GroupID{1}, Seq: 4, Prev: Hash{2}, Op: JoinGroup, Actor: "bob7", Device: device.id(), At: now}
	return []kind{
		{"certificate", certificate.Sign(identity), certificate,
			func(s []byte) (any, error) { return VerifyCertificate(s, identity.public(), now) },
			func(v any) []byte { return v.(Certificate).Sign(identity) }},
		{"permit", permit.Sign(device), permit,
			func(s []byte) (any, error) {
				return VerifyPermit(s, certificate.Sign(identity), identity.public(), now)
			},
			func(v any) []byte { return v.(Permit).Sign(device) }},
		{"device entry", entry.Sign(identity), entry,
			func(s []byte) (any, error) {
				body, signature, err := split(s)
				if err != nil {
					return nil, err
				}
				e, err := parseDeviceEntry(body)
				if err != nil {
					return nil, err
				}
				return e, verify(identity.public(), body, signature)
			},
			func(v any) []byte { return v.(DeviceEntry).Sign(identity) }},
		{"bundle", bundle.Sign(device), bundle,
			func(s []byte) (any, error) { return VerifyBundle(s, "alice42", device.id()) },
			func(v any) []byte { return v.(Bundle).Sign(device) }},
		{"one-time prekey", prekey.Sign(device), prekey,
			func(s []byte) (any, error) { return VerifyOneTimePrekey(s, device.id()) },
			func(v any) []byte { return v.(OneTimePrekey).Sign(device) }},
		{"create statement", create.Sign(device), create,
			func(s []byte) (any, error) { return ParseStatement(s) },
			func(v any) []byte { return v.(Statement).Sign(device) }},
		{"invite statement", invite.Sign(device), invite,
			func(s []byte) (any, error) { return ParseStatement(s) },
			func(v any) []byte { return v.(Statement).Sign(device) }},
		{"join statement", join.Sign(device), join,
			func(s []byte) (any, error) { return ParseStatement(s) },
			func(v any) []byte { return v.(Statement).Sign(device) }},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			got, err := k.verify(k.signed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(k.want, got); diff != "" {
				t.Errorf("verified value (-want +got):\n%s", diff)
			}
			if !bytes.Equal(k.sign(got), k.signed) {
				t.Error("parsing and encoding again is not the identity")
			}
			if len(k.signed) > MaxRecord {
				t.Errorf("%d bytes, above MaxRecord", len(k.signed))
			}
		})
	}
}

// Every byte counts: with any one of them changed, cut off or added, nothing
// verifies.
func TestFlipEveryByte(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			refused := func(what string, at int, signed []byte) {
				t.Helper()
				_, err := k.verify(signed)
				if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrSignature) && !errors.Is(err, ErrChain) {
					t.Errorf("byte %d %s: %v", at, what, err)
				}
			}
			for i := range k.signed {
				flipped := bytes.Clone(k.signed)
				flipped[i] ^= 1 << (i % 8)
				refused("flipped", i, flipped)
				refused("and what follows cut off", i, k.signed[:i])
			}
			refused("added", len(k.signed), append(bytes.Clone(k.signed), 0))
			refused("too many", MaxRecord, append(bytes.Clone(k.signed), make([]byte, MaxRecord)...))
		})
	}
}

// A record of one kind is none of another, whoever signed it.
func TestKindsAreDistinct(t *testing.T) {
	for _, k := range kinds() {
		for _, other := range kinds() {
			if k.name == other.name {
				continue
			}
			if bytes.HasPrefix(other.signed, k.signed[:len(statementLabel)]) {
				continue // the statements share a label
			}
			if _, err := k.verify(other.signed); !errors.Is(err, ErrMalformed) {
				t.Errorf("a %s read as %s: %v", other.name, k.name, err)
			}
		}
	}
}

func TestWrongKeys(t *testing.T) {
	bundle := Bundle{Account: "alice42", Device: device.id()}
	prekey := OneTimePrekey{Device: device.id()}
	certificate := Certificate{Server: device.id(), From: now, Until: now.Add(time.Hour)}
	permit := Permit{Device: stranger.id(), Until: now.Add(PermitLifetime)}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"certificate by another cluster", second(VerifyCertificate(certificate.Sign(stranger), identity.public(), now)), ErrSignature},
		{"certificate against no key", second(VerifyCertificate(certificate.Sign(identity), nil, now)), ErrSignature},
		{"permit by another server", second(VerifyPermit(permit.Sign(stranger), certificate.Sign(identity), identity.public(), now)), ErrSignature},
		{"permit by the cluster itself", second(VerifyPermit(permit.Sign(identity), certificate.Sign(identity), identity.public(), now)), ErrSignature},
		{"permit with another cluster's certificate", second(VerifyPermit(permit.Sign(device), certificate.Sign(stranger), identity.public(), now)), ErrSignature},
		{"permit with no certificate", second(VerifyPermit(permit.Sign(device), nil, identity.public(), now)), ErrMalformed},
		{"permit as its own certificate", second(VerifyPermit(permit.Sign(device), permit.Sign(identity), identity.public(), now)), ErrMalformed},
		{"bundle by another device", second(VerifyBundle(bundle.Sign(stranger), "alice42", device.id())), ErrSignature},
		{"bundle of another account", second(VerifyBundle(bundle.Sign(device), "bob7", device.id())), ErrChain},
		{"bundle of another device", second(VerifyBundle(bundle.Sign(device), "alice42", stranger.id())), ErrChain},
		{"prekey by another device", second(VerifyOneTimePrekey(prekey.Sign(stranger), device.id())), ErrSignature},
		{"prekey of another device", second(VerifyOneTimePrekey(prekey.Sign(device), stranger.id())), ErrChain},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCertificateTimes(t *testing.T) {
	signed := Certificate{Server: device.id(), From: now, Until: now.Add(time.Hour)}.Sign(identity)
	for _, c := range []struct {
		at   time.Time
		want error
	}{
		{now.Add(-time.Second), ErrExpired},
		{now, nil},
		{now.Add(time.Hour - time.Nanosecond), nil},
		{now.Add(time.Hour), ErrExpired},
	} {
		if _, err := VerifyCertificate(signed, identity.public(), c.at); !errors.Is(err, c.want) {
			t.Errorf("at %v: %v, want %v", c.at, err, c.want)
		}
	}
}

func TestPermitTimes(t *testing.T) {
	certificate := Certificate{Server: device.id(), From: now, Until: now.Add(2 * time.Hour)}.Sign(identity)
	signed := Permit{Device: stranger.id(), Until: now.Add(PermitLifetime)}.Sign(device)
	long := Permit{Device: stranger.id(), Until: now.Add(PermitLifetime + permitSkew + time.Second)}.Sign(device)
	for _, c := range []struct {
		signed []byte
		at     time.Time
		want   error
	}{
		{signed, now, nil},
		{signed, now.Add(PermitLifetime - time.Nanosecond), nil},
		{signed, now.Add(PermitLifetime), ErrPermitExpired},
		{signed, now.Add(2 * time.Hour), ErrExpired}, // the certificate
		{long, now, ErrPermitExpired},
		{long, now.Add(time.Second), nil},
	} {
		if _, err := VerifyPermit(c.signed, certificate, identity.public(), c.at); !errors.Is(err, c.want) {
			t.Errorf("at %v: %v, want %v", c.at, err, c.want)
		}
	}
}

func TestDeviceKey(t *testing.T) {
	got, err := DeviceKey(device.id())
	if err != nil || !bytes.Equal(got, device.public()) {
		t.Errorf("DeviceKey: %x, %v", got, err)
	}
	_, ecdsa, err := crypto.GenerateKeyPair(crypto.ECDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	other, err := peer.IDFromPublicKey(ecdsa)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []peer.ID{"", "nonsense", other} {
		if _, err := DeviceKey(id); !errors.Is(err, ErrMalformed) {
			t.Errorf("DeviceKey(%q): %v, want ErrMalformed", string(id), err)
		}
	}
}

func TestNames(t *testing.T) {
	long := string(bytes.Repeat([]byte("a"), maxName))
	for _, c := range []struct{ name, roll, want string }{
		{"alice", "42", "alice42"},
		{"Alice", "4B", "alice4b"},
		{"a", "1", "a1"},
		{"a.b_c-d", "7", "a.b_c-d7"},
		{long, "0123456789abcdef", long + "0123456789abcdef"},
		{long + "a", "1", ""},
		{"alice", "0123456789abcdef0", ""},
		{"", "42", ""},
		{"alice", "", ""},
		{"4lice", "2", ""},
		{"al ice", "2", ""},
		{"alice\n", "2", ""},
		{"alicé", "2", ""},
		{"alice", "4-2", ""},
	} {
		got, err := NewAccount(c.name, c.roll)
		if string(got) != c.want || (err == nil) != (c.want != "") || (err != nil && !errors.Is(err, ErrName)) {
			t.Errorf("NewAccount(%q, %q): %q, %v; want %q", c.name, c.roll, got, err, c.want)
		}
		if err == nil {
			if again, err := ParseAccount(string(got)); err != nil || again != got {
				t.Errorf("ParseAccount(%q): %q, %v", got, again, err)
			}
		}
	}
	for in, want := range map[string]GroupName{
		"friends": "friends", "#Friends": "friends", "g-1_x": "g-1_x",
		"": "", "#": "", "##a": "", "1g": "", "a.b": "", tooLongName: "",
	} {
		got, err := ParseGroupName(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseGroupName(%q): %q, %v; want %q", in, got, err, want)
		}
	}
	if a, b := NewGroupID(), NewGroupID(); a == b || len(a.String()) != 32 {
		t.Errorf("group IDs %v and %v", a, b)
	}
}

// tooLongName is longer than any name.
const tooLongName = "a0123456789012345678901234567890123"

func ExampleNewAccount() {
	a, _ := NewAccount("Alice", "42")
	fmt.Println(a)
	// Output: alice42
}
