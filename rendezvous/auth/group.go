package auth

import (
	"crypto/rand"
	"fmt"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
)

// The one group and OPRF of the suite (RFC 9497 section 4.1, base mode).
var (
	ristretto = group.Ristretto255
	suite     = oprf.SuiteRistretto255
)

// Labels of RFC 9807 sections 5.2 and 6.4.1 for deriving keys from seeds.
const (
	labelOPRFKey = "OPAQUE-DeriveKeyPair"
	labelDHKey   = "OPAQUE-DeriveDiffieHellmanKeyPair"
)

// keyPair is a Diffie-Hellman key pair.
type keyPair struct {
	redacted
	private group.Scalar
	public  []byte // elementLen bytes
}

// deriveKeyPair is DeriveDiffieHellmanKeyPair (RFC 9807 section 6.4.1) of a
// seed of seedLen bytes.
func deriveKeyPair(seed []byte) keyPair {
	key := deriveOPRFKey(seed, labelDHKey)
	encoded, err := key.MarshalBinary()
	must(err)
	private := ristretto.NewScalar()
	must(private.UnmarshalBinary(encoded))
	return newKeyPair(private)
}

// deriveOPRFKey is DeriveKeyPair (RFC 9497 section 3.2.1) of a seed of seedLen
// bytes.
func deriveOPRFKey(seed []byte, info string) *oprf.PrivateKey {
	key, err := oprf.DeriveKey(suite, oprf.BaseMode, seed, []byte(info))
	must(err)
	return key
}

// blindEvaluate is the server's half of the OPRF (RFC 9497 section 3.3.1).
func blindEvaluate(key *oprf.PrivateKey, element group.Element) group.Element {
	evaluation, err := oprf.NewServer(suite, key).Evaluate(&oprf.EvaluationRequest{Elements: []oprf.Blinded{element}})
	must(err)
	return evaluation.Elements[0]
}

// newKeyPair computes the public half.
func newKeyPair(private group.Scalar) keyPair {
	return keyPair{private: private, public: encodeElement(ristretto.NewElement().MulGen(private))}
}

// diffieHellman returns the encoded product of a decoded public key and a
// private one. It is never the identity: decodeElement refuses that, the group's
// order is prime and no private key is zero.
func diffieHellman(private group.Scalar, public group.Element) []byte {
	return encodeElement(ristretto.NewElement().Mul(public, private))
}

// decodeElement accepts canonical encodings (RFC 9496 section 4.3.1) of any
// element but the identity, as RFC 9497 section 2.1 and RFC 9807 section 6.4.1
// demand. It fails with ErrMalformed.
func decodeElement(b []byte) (group.Element, error) {
	e := ristretto.NewElement()
	if err := e.UnmarshalBinary(b); err != nil || e.IsIdentity() {
		return nil, fmt.Errorf("%w: not a group element", ErrMalformed)
	}
	return e, nil
}

// decodeScalar accepts reduced, non-zero scalars. It fails with ErrMalformed.
func decodeScalar(b []byte) (group.Scalar, error) {
	s := ristretto.NewScalar()
	if err := s.UnmarshalBinary(b); err != nil || s.IsZero() {
		return nil, fmt.Errorf("%w: not a private key", ErrMalformed)
	}
	return s, nil
}

func encodeElement(e group.Element) []byte {
	b, err := e.MarshalBinaryCompress()
	must(err)
	return b
}

func encodeScalar(s group.Scalar) []byte {
	b, err := s.MarshalBinary()
	must(err)
	return b
}

// randomBytes returns n fresh bytes. crypto/rand does not fail: it ends the
// program rather than return weak randomness.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, err := rand.Read(b)
	must(err)
	return b
}

// must panics on errors that the libraries' signatures have and their code for
// this suite and these lengths does not.
func must(err error) {
	if err != nil {
		panic("auth: " + err.Error())
	}
}
