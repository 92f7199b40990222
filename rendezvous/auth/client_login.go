package auth

import (
	"fmt"

	"github.com/cloudflare/circl/group"
)

// ClientLogin is a client between its KE1 and the server's KE2. It holds the
// password; it works once.
type ClientLogin struct {
	redacted
	oprf      blinded
	ephemeral keyPair
	ke1       []byte
}

// ke1Random is all the randomness of a KE1.
type ke1Random struct {
	redacted
	blind        group.Scalar
	nonce        []byte // nonceLen bytes
	keyshareSeed []byte // seedLen bytes
}

func newKE1Random() ke1Random {
	return ke1Random{
		blind:        randomBlind(),
		nonce:        randomBytes(nonceLen),
		keyshareSeed: randomBytes(seedLen),
	}
}

// LoginStart begins a login and returns KE1, of KE1Size bytes, for
// [Server.Respond]. It fails with ErrPasswordLength.
func LoginStart(password []byte) (*ClientLogin, []byte, error) {
	return loginStart(password, newKE1Random(), argon2id)
}

// loginStart is GenerateKE1 (RFC 9807 section 6.2.1).
func loginStart(password []byte, random ke1Random, stretch stretcher) (*ClientLogin, []byte, error) {
	state, request, err := blindPassword(password, random.blind, stretch)
	if err != nil {
		return nil, nil, fmt.Errorf("start login: %w", err)
	}
	ephemeral := deriveKeyPair(random.keyshareSeed)
	ke1 := append(request, random.nonce...)
	ke1 = append(ke1, ephemeral.public...)
	own := append([]byte(nil), ke1...) // the caller may do with its own as it likes
	return &ClientLogin{oprf: state, ephemeral: ephemeral, ke1: own}, ke1, nil
}

// Finish takes the server's KE2 and the [Context] and returns KE3, of KE3Size
// bytes, for [Server.Finish]. It takes about 0.2 s and 64 MiB. The export key is
// the one that registration returned.
//
// It fails with ErrWrongPassword, where nobody can tell a wrong password from an
// account that does not exist; with ErrServerAuthentication if the password is
// right and the server is not; with ErrUnacceptableCost, ErrMalformed,
// ErrArgument or ErrSpent.
func (c *ClientLogin) Finish(ke2, context []byte, account string) (ke3 []byte, session SessionKey, export ExportKey, err error) {
	ids, err := accountIdentities(account)
	var r loginResult
	if err == nil {
		r, err = c.finish(ke2, context, ids)
	}
	if err != nil {
		return nil, SessionKey{}, ExportKey{}, fmt.Errorf("finish login: %w", err)
	}
	return r.keys.clientMAC, r.keys.session, r.envelope.exportKey, nil
}

// loginResult is all that a login teaches the client.
type loginResult struct {
	redacted
	envelope opened
	keys     schedule
}

// finish undoes the header, bounds and binds it, and hands over to GenerateKE3.
func (c *ClientLogin) finish(message, context []byte, ids identities) (loginResult, error) {
	if len(message) != KE2Size {
		return loginResult{}, lengthError("KE2", message)
	}
	k, err := parseKSF(message[:headerLen])
	if err != nil {
		return loginResult{}, err
	}
	bound, err := transcriptContext(k, context)
	if err != nil {
		return loginResult{}, err
	}
	return c.generateKE3(message[headerLen:], bound, ids, k)
}

// generateKE3 is GenerateKE3 (RFC 9807 section 6.2.3).
func (c *ClientLogin) generateKE3(message, context []byte, ids identities, k ksf) (loginResult, error) {
	m, err := parseKE2(message)
	if err != nil {
		return loginResult{}, err
	}
	secret, err := c.oprf.randomizedPassword(m.evaluated, k)
	if err != nil {
		return loginResult{}, err
	}
	pad := credentialPad(expand(secret, nil, "MaskingKey", hashLen), m.maskingNonce)
	credentials := xor(pad, m.masked)
	serverPublic, envelope := credentials[:elementLen], credentials[elementLen:]
	o, err := openEnvelope(secret, envelope, serverPublic, ids)
	if err != nil {
		return loginResult{}, err
	}
	// Only now: with a wrong password these bytes are noise.
	serverKey, err := decodeElement(serverPublic)
	if err != nil {
		return loginResult{}, err
	}
	s := newSchedule(
		diffieHellman(c.ephemeral.private, m.keyshare),
		diffieHellman(c.ephemeral.private, serverKey),
		diffieHellman(o.key.private, m.keyshare),
		transcript{
			context: context, ids: ids.withDefaults(o.key.public, serverPublic),
			ke1: c.ke1, ke2Inner: m.inner,
		})
	if !equal(s.serverMAC, m.mac) {
		return loginResult{}, ErrServerAuthentication
	}
	return loginResult{envelope: o, keys: s}, nil
}
