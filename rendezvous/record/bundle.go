package record

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	bundleLabel = "tryst key bundle 1"
	prekeyLabel = "tryst one-time prekey 1"
)

// Sizes of public keys in bytes: X25519 (RFC 7748) and ML-KEM-768 (FIPS 203).
const (
	DHSize  = 32
	KEMSize = 1184
)

// Bundle is what a stranger needs to open a session with a device (PQXDH,
// revision 3). The device key signs it.
type Bundle struct {
	Account        Account
	Device         peer.ID
	Suite          uint8 // the newest seal suite that the device opens
	IdentityDH     [DHSize]byte
	SignedPrekeyID uint32
	SignedPrekey   [DHSize]byte
	LastResortID   uint32
	LastResort     [KEMSize]byte
	At             time.Time
}

// Sign returns the bundle signed by the device key.
func (b Bundle) Sign(device Signer) []byte {
	e := newEncoder(bundleLabel)
	e.text(string(b.Account))
	e.bytes([]byte(b.Device))
	e.u8(b.Suite)
	e.fixed(b.IdentityDH[:])
	e.u64(uint64(b.SignedPrekeyID))
	e.fixed(b.SignedPrekey[:])
	e.u64(uint64(b.LastResortID))
	e.fixed(b.LastResort[:])
	e.u64(uint64(b.At.Unix()))
	return seal(e.b, device)
}

func parseBundle(body []byte) (Bundle, error) {
	d := newDecoder(body, bundleLabel)
	var b Bundle
	b.Account = d.account()
	b.Device = d.peer()
	b.Suite = d.u8()
	d.fixed(b.IdentityDH[:])
	b.SignedPrekeyID = d.id()
	d.fixed(b.SignedPrekey[:])
	b.LastResortID = d.id()
	d.fixed(b.LastResort[:])
	b.At = time.Unix(int64(d.u64()), 0).UTC()
	return b, d.end()
}

// VerifyBundle checks a signed bundle and that it is that device's.
func VerifyBundle(signed []byte, account Account, device peer.ID) (Bundle, error) {
	body, signature, err := split(signed)
	if err != nil {
		return Bundle{}, err
	}
	b, err := parseBundle(body)
	if err != nil {
		return Bundle{}, err
	}
	if b.Account != account || b.Device != device {
		return Bundle{}, fmt.Errorf("%w: bundle of %s", ErrChain, b.Account)
	}
	return b, verifyDevice(device, body, signature)
}

// OneTimePrekey is a pair of public keys for one session only. The device key
// signs it.
type OneTimePrekey struct {
	Device peer.ID
	ID     uint32
	DH     [DHSize]byte
	KEM    [KEMSize]byte
}

// Sign returns the prekey signed by the device key.
func (p OneTimePrekey) Sign(device Signer) []byte {
	e := newEncoder(prekeyLabel)
	e.bytes([]byte(p.Device))
	e.u64(uint64(p.ID))
	e.fixed(p.DH[:])
	e.fixed(p.KEM[:])
	return seal(e.b, device)
}

func parseOneTimePrekey(body []byte) (OneTimePrekey, error) {
	d := newDecoder(body, prekeyLabel)
	var p OneTimePrekey
	p.Device = d.peer()
	p.ID = d.id()
	d.fixed(p.DH[:])
	d.fixed(p.KEM[:])
	return p, d.end()
}

// VerifyOneTimePrekey checks a signed prekey and that it is that device's.
func VerifyOneTimePrekey(signed []byte, device peer.ID) (OneTimePrekey, error) {
	body, signature, err := split(signed)
	if err != nil {
		return OneTimePrekey{}, err
	}
	p, err := parseOneTimePrekey(body)
	if err != nil {
		return OneTimePrekey{}, err
	}
	if p.Device != device {
		return OneTimePrekey{}, fmt.Errorf("%w: prekey of another device", ErrChain)
	}
	return p, verifyDevice(device, body, signature)
}

func verifyDevice(device peer.ID, body, signature []byte) error {
	public, err := DeviceKey(device)
	if err != nil {
		return err
	}
	return verify(public, body, signature)
}

func (d *decoder) id() uint32 {
	v := d.u64()
	if v > 1<<32-1 {
		d.fail("a key ID is too large")
	}
	return uint32(v)
}
