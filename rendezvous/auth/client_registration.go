package auth

import (
	"fmt"

	"github.com/cloudflare/circl/group"
)

// ClientRegistration is a client between its registration request and the
// server's response. It holds the password; it works once.
type ClientRegistration struct {
	redacted
	oprf blinded
}

// RegistrationStart begins a registration or a password change, and returns the
// request of RegistrationRequestSize bytes for [Server.RegistrationResponse]. It
// fails with ErrPasswordLength.
func RegistrationStart(password []byte) (*ClientRegistration, []byte, error) {
	return registrationStart(password, randomBlind(), argon2id)
}

func registrationStart(password []byte, blind group.Scalar, stretch stretcher) (*ClientRegistration, []byte, error) {
	state, request, err := blindPassword(password, blind, stretch)
	if err != nil {
		return nil, nil, fmt.Errorf("start registration: %w", err)
	}
	return &ClientRegistration{oprf: state}, request, nil
}

// Finish takes the server's response and returns the record of RecordSize bytes,
// which goes to the server, and the export key, which goes nowhere. It takes
// about 0.2 s and 64 MiB. It fails with ErrMalformed, ErrArgument or ErrSpent.
func (c *ClientRegistration) Finish(response []byte, account string) (record []byte, export ExportKey, err error) {
	ids, err := accountIdentities(account)
	if err == nil {
		record, export, err = c.finish(response, ids, randomBytes(nonceLen))
	}
	if err != nil {
		return nil, ExportKey{}, fmt.Errorf("finish registration: %w", err)
	}
	return record, export, nil
}

// finish is FinalizeRegistrationRequest (RFC 9807 section 5.2.3).
func (c *ClientRegistration) finish(response []byte, ids identities, envelopeNonce []byte) ([]byte, ExportKey, error) {
	if len(response) != RegistrationResponseSize {
		return nil, ExportKey{}, lengthError("registration response", response)
	}
	evaluated, err := decodeElement(response[:elementLen])
	if err != nil {
		return nil, ExportKey{}, err
	}
	serverPublic := response[elementLen:]
	if _, err := decodeElement(serverPublic); err != nil {
		return nil, ExportKey{}, err
	}
	k := defaultKSF()
	secret, err := c.oprf.randomizedPassword(evaluated, k)
	if err != nil {
		return nil, ExportKey{}, err
	}
	o := deriveEnvelope(secret, envelopeNonce, serverPublic, ids)
	record := k.appendTo(make([]byte, 0, RecordSize))
	record = append(record, o.key.public...)
	record = append(record, o.maskingKey...)
	record = append(record, envelopeNonce...)
	return append(record, o.tag...), o.exportKey, nil
}
