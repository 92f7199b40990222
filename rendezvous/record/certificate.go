package record

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const certificateLabel = "tryst server certificate 1"

// ErrExpired is returned for a certificate used outside its time.
var ErrExpired = errors.New("record: certificate is not valid at this time")

// Certificate says that a peer is a rendezvous server of a cluster. The
// operator's cluster key signs it; nodes and balancers speak to no server that
// cannot show one.
type Certificate struct {
	Server peer.ID
	Name   string // what the operator calls it, at most 64 bytes
	From   time.Time
	Until  time.Time
}

// Sign returns the certificate signed by the cluster key.
func (c Certificate) Sign(cluster Signer) []byte {
	e := newEncoder(certificateLabel)
	e.bytes([]byte(c.Server))
	e.text(c.Name)
	e.u64(uint64(c.From.Unix()))
	e.u64(uint64(c.Until.Unix()))
	return seal(e.b, cluster)
}

func parseCertificate(body []byte) (Certificate, error) {
	d := newDecoder(body, certificateLabel)
	c := Certificate{
		Server: d.peer(),
		Name:   d.text(maxLabel),
		From:   time.Unix(int64(d.u64()), 0).UTC(),
		Until:  time.Unix(int64(d.u64()), 0).UTC(),
	}
	return c, d.end()
}

// VerifyCertificate checks a signed certificate against the cluster's public
// key (32 bytes) and the time. It returns ErrMalformed, ErrSignature or
// ErrExpired.
func VerifyCertificate(signed []byte, cluster ed25519.PublicKey, now time.Time) (Certificate, error) {
	body, signature, err := split(signed)
	if err != nil {
		return Certificate{}, err
	}
	c, err := parseCertificate(body)
	if err != nil {
		return Certificate{}, err
	}
	if err := verify(cluster, body, signature); err != nil {
		return Certificate{}, err
	}
	if now.Before(c.From) || !now.Before(c.Until) {
		return Certificate{}, fmt.Errorf("%w: %s to %s", ErrExpired, c.From.Format(time.DateOnly), c.Until.Format(time.DateOnly))
	}
	return c, nil
}
