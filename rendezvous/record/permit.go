package record

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const permitLabel = "tryst relay permit 1"

// ErrPermitExpired is returned for a permit used after its time, or one made
// out for longer than PermitLifetime.
var ErrPermitExpired = errors.New("record: permit is not valid at this time")

// Permit says that a device may be reached through the balancers' relays. A
// server signs it with its libp2p key for a device that is logged in, and it
// goes with that server's certificate, so that a balancer, which knows the
// cluster's key and no account, can check it.
type Permit struct {
	Device peer.ID
	Until  time.Time
}

// Sign returns the permit signed by a server's libp2p key.
func (p Permit) Sign(server Signer) []byte {
	e := newEncoder(permitLabel)
	e.bytes([]byte(p.Device))
	e.u64(uint64(p.Until.Unix()))
	return seal(e.b, server)
}

func parsePermit(body []byte) (Permit, error) {
	d := newDecoder(body, permitLabel)
	p := Permit{
		Device: d.peer(),
		Until:  time.Unix(int64(d.u64()), 0).UTC(),
	}
	return p, d.end()
}

// VerifyPermit checks a signed permit, the certificate of the server that
// signed it, and the time. It returns ErrMalformed, ErrSignature,
// ErrPermitExpired, or ErrExpired for the certificate.
func VerifyPermit(signed, certificate []byte, cluster ed25519.PublicKey, now time.Time) (Permit, error) {
	c, err := VerifyCertificate(certificate, cluster, now)
	if err != nil {
		return Permit{}, fmt.Errorf("certificate of the permit's server: %w", err)
	}
	body, signature, err := split(signed)
	if err != nil {
		return Permit{}, err
	}
	p, err := parsePermit(body)
	if err != nil {
		return Permit{}, err
	}
	server, err := DeviceKey(c.Server)
	if err != nil {
		return Permit{}, err
	}
	if err := verify(server, body, signature); err != nil {
		return Permit{}, err
	}
	if !now.Before(p.Until) || p.Until.After(now.Add(PermitLifetime+permitSkew)) {
		return Permit{}, fmt.Errorf("%w: until %s", ErrPermitExpired, p.Until.Format(time.RFC3339))
	}
	return p, nil
}
