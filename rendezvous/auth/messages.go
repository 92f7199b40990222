package auth

import (
	"fmt"

	"github.com/cloudflare/circl/group"
)

// The messages of RFC 9807, decoded. Every field has a fixed size, so encoding
// is concatenation; decoding checks the length and every group element. Byte
// fields share memory with what was parsed.

// ke1 is KE1 = blinded_message || client_nonce || client_public_keyshare.
type ke1 struct {
	raw      []byte // all of it, for the transcript
	blinded  group.Element
	keyshare group.Element
}

func parseKE1(b []byte) (ke1, error) {
	if len(b) != ke1Len {
		return ke1{}, lengthError("KE1", b)
	}
	blinded, err := decodeElement(b[:elementLen])
	if err != nil {
		return ke1{}, err
	}
	keyshare, err := decodeElement(b[elementLen+nonceLen:])
	if err != nil {
		return ke1{}, err
	}
	return ke1{raw: b, blinded: blinded, keyshare: keyshare}, nil
}

// ke2 is KE2 = evaluated_message || masking_nonce || masked_response ||
// server_nonce || server_public_keyshare || server_mac.
type ke2 struct {
	inner        []byte // all but the MAC, for the transcript
	evaluated    group.Element
	maskingNonce []byte
	masked       []byte // maskedLen bytes
	keyshare     group.Element
	mac          []byte
}

func parseKE2(b []byte) (ke2, error) {
	if len(b) != ke2Len {
		return ke2{}, lengthError("KE2", b)
	}
	evaluated, err := decodeElement(b[:elementLen])
	if err != nil {
		return ke2{}, err
	}
	macStart := ke2Len - macLen
	keyshare, err := decodeElement(b[macStart-elementLen : macStart])
	if err != nil {
		return ke2{}, err
	}
	return ke2{
		inner:        b[:macStart],
		evaluated:    evaluated,
		maskingNonce: b[elementLen : elementLen+nonceLen],
		masked:       b[elementLen+nonceLen : credentialLen],
		keyshare:     keyshare,
		mac:          b[macStart:],
	}, nil
}

// registrationRecord is what the directory keeps of an account's password:
// header || client_public_key || masking_key || envelope. After the header it is
// the RFC's RegistrationRecord.
type registrationRecord struct {
	ksf          ksf
	clientPublic group.Element
	maskingKey   []byte
	envelope     []byte
}

func parseRecord(b []byte) (registrationRecord, error) {
	if len(b) != RecordSize {
		return registrationRecord{}, lengthError("record", b)
	}
	k, err := parseKSF(b[:headerLen])
	if err != nil {
		return registrationRecord{}, err
	}
	b = b[headerLen:]
	clientPublic, err := decodeElement(b[:elementLen])
	if err != nil {
		return registrationRecord{}, err
	}
	return registrationRecord{
		ksf:          k,
		clientPublic: clientPublic,
		maskingKey:   b[elementLen : elementLen+hashLen],
		envelope:     b[elementLen+hashLen:],
	}, nil
}

// CheckRecord tells whether a record that a client sent can be used to log in.
// A server asks before it keeps one. It fails with ErrMalformed or
// ErrUnacceptableCost.
func CheckRecord(record []byte) error {
	_, err := parseRecord(record)
	return err
}

// credentialPad masks the server's public key and the envelope in KE2, so that
// without the OPRF's output real records and fake ones look alike (RFC 9807
// section 6.3.2.2).
func credentialPad(maskingKey, maskingNonce []byte) []byte {
	return expand(maskingKey, maskingNonce, "CredentialResponsePad", maskedLen)
}

func lengthError(what string, b []byte) error {
	return fmt.Errorf("%w: %s of %d bytes", ErrMalformed, what, len(b))
}
