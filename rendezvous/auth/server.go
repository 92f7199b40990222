package auth

import (
	"crypto/cipher"
	"fmt"
	"slices"
	"time"

	"github.com/cloudflare/circl/group"
	"golang.org/x/crypto/chacha20poly1305"
)

// Server is the server's side. It never changes after NewServer, so that all
// goroutines may share one.
type Server struct {
	redacted
	oprfSeed []byte
	key      keyPair
	fakeKey  []byte
	cookies  cipher.AEAD
}

// NewServer makes a server from the cluster's secrets, which come from
// [NewSecrets] or [ParseSecrets].
func NewServer(s Secrets) *Server {
	cookies, err := chacha20poly1305.NewX(s.cookieKey)
	must(err)
	return &Server{
		oprfSeed: s.oprfSeed,
		key:      newKeyPair(s.private),
		fakeKey:  s.fakeKey,
		cookies:  cookies,
	}
}

// RegistrationResponse answers a registration request with
// RegistrationResponseSize bytes (RFC 9807 section 5.2.2). It fails with
// ErrMalformed or ErrArgument.
//
// Callers ask the [Limiter] before it, as before Respond, and tell it when the
// sign-up has succeeded. The OPRF's key belongs to the account's name, so each
// answer is worth a guess: at the password of an account that exists, to whoever
// has one KE2 of it, and of one that does not exist yet, to whoever collects
// answers until somebody signs up by that name. For the first kind the answer is
// better refused altogether, except to a device that is logged in to it and
// changes its password.
func (s *Server) RegistrationResponse(account string, request []byte) ([]byte, error) {
	if _, err := accountIdentities(account); err != nil {
		return nil, fmt.Errorf("registration response: %w", err)
	}
	if len(request) != RegistrationRequestSize {
		return nil, fmt.Errorf("registration response: %w", lengthError("request", request))
	}
	element, err := decodeElement(request)
	if err != nil {
		return nil, fmt.Errorf("registration response: %w", err)
	}
	return append(s.evaluate([]byte(account), element), s.key.public...), nil
}

// evaluate evaluates a blinded element under the credential's own key.
func (s *Server) evaluate(credential []byte, element group.Element) []byte {
	seed := expand(s.oprfSeed, credential, "OprfKey", seedLen)
	return encodeElement(blindEvaluate(deriveOPRFKey(seed, labelOPRFKey), element))
}

// Respond answers a client's KE1 with KE2, of KE2Size bytes, and a cookie that
// the client returns with its KE3. An empty record stands for an account that does
// not exist, and then the answer looks the same and takes as long. It fails with
// ErrMalformed, ErrUnacceptableCost or ErrArgument.
//
// Each answer lets its receiver test one guess, whether or not it ever sends a
// KE3: the [Limiter] is asked before Respond, not after a failed Finish.
func (s *Server) Respond(account string, record, ke1 []byte, b Binding, now time.Time) (ke2, cookie []byte, err error) {
	ke2, state, err := s.respond(account, record, ke1, b)
	if err != nil {
		return nil, nil, fmt.Errorf("respond to login: %w", err)
	}
	return ke2, s.sealCookie(state, account, b, now), nil
}

func (s *Server) respond(account string, record, ke1 []byte, b Binding) ([]byte, cookieState, error) {
	ids, err := accountIdentities(account)
	if err != nil {
		return nil, cookieState{}, err
	}
	if err := b.check(); err != nil {
		return nil, cookieState{}, err
	}
	// Made for existing accounts too, so that both take the same time.
	fake := s.fakeRecord(account)
	if len(record) == 0 {
		record = fake
	}
	r, err := parseRecord(record)
	if err != nil {
		return nil, cookieState{}, err
	}
	context, err := transcriptContext(r.ksf, Context(b.ClusterKey, b.Peer))
	if err != nil {
		return nil, cookieState{}, err
	}
	message, keys, err := s.generateKE2(ke2Input{
		credential: []byte(account), ids: ids, context: context, record: r, ke1: ke1,
	}, newKE2Random())
	if err != nil {
		return nil, cookieState{}, err
	}
	ke2 := append(r.ksf.appendTo(make([]byte, 0, KE2Size)), message...)
	return ke2, cookieState{clientMAC: keys.clientMAC, session: keys.session}, nil
}

// Finish takes the client's KE3 and the cookie, whichever server made it, and
// returns the session key that the client has too. The account is then logged in
// on the peer of the binding. It fails with ErrWrongPassword, ErrCookie,
// ErrCookieExpired or ErrMalformed.
//
// The same KE3 and cookie succeed again until the cookie expires: a client whose
// answer was lost may ask another server. Only the same peer can do so, to the
// same effect.
func (s *Server) Finish(account string, ke3, cookie []byte, b Binding, now time.Time) (SessionKey, error) {
	state, err := s.openCookie(cookie, account, b, now)
	switch {
	case err != nil:
	case len(ke3) != KE3Size:
		err = lengthError("KE3", ke3)
	case !equal(state.clientMAC, ke3):
		err = ErrWrongPassword
	default:
		return state.session, nil
	}
	return SessionKey{}, fmt.Errorf("finish login: %w", err)
}

// ke2Input is what goes into a KE2 beside the server's own keys.
type ke2Input struct {
	credential []byte // the RFC's credential_identifier
	ids        identities
	context    []byte
	record     registrationRecord
	ke1        []byte
}

// ke2Random is all the randomness of a KE2.
type ke2Random struct {
	redacted
	maskingNonce []byte // nonceLen bytes
	serverNonce  []byte // nonceLen bytes
	keyshareSeed []byte // seedLen bytes
}

func newKE2Random() ke2Random {
	return ke2Random{
		maskingNonce: randomBytes(nonceLen),
		serverNonce:  randomBytes(nonceLen),
		keyshareSeed: randomBytes(seedLen),
	}
}

// generateKE2 is GenerateKE2 (RFC 9807 section 6.2.2).
func (s *Server) generateKE2(in ke2Input, random ke2Random) ([]byte, schedule, error) {
	m, err := parseKE1(in.ke1)
	if err != nil {
		return nil, schedule{}, err
	}
	pad := credentialPad(in.record.maskingKey, random.maskingNonce)
	ephemeral := deriveKeyPair(random.keyshareSeed)
	inner := slices.Concat(
		s.evaluate(in.credential, m.blinded),
		random.maskingNonce,
		xor(pad, slices.Concat(s.key.public, in.record.envelope)),
		random.serverNonce,
		ephemeral.public,
	)
	keys := newSchedule(
		diffieHellman(ephemeral.private, m.keyshare),
		diffieHellman(s.key.private, m.keyshare),
		diffieHellman(ephemeral.private, in.record.clientPublic),
		transcript{
			context: in.context, ids: in.ids.withDefaults(encodeElement(in.record.clientPublic), s.key.public),
			ke1: m.raw, ke2Inner: inner,
		})
	return append(inner, keys.serverMAC...), keys, nil
}

// fakeRecord is the record of an account that does not exist (RFC 9807 section
// 6.3.2.2): a public key whose private half nobody knows, a masking key and an
// empty envelope, always the same for one account.
func (s *Server) fakeRecord(account string) []byte {
	const label = "tryst/fake-record/1"
	secret := expand(s.fakeKey, []byte(label), account, 2*hashLen)
	clientPublic := ristretto.HashToElement(secret[:hashLen], []byte(label))
	return slices.Concat(
		defaultKSF().appendTo(nil),
		encodeElement(clientPublic),
		secret[hashLen:],
		make([]byte, envelopeLen),
	)
}
