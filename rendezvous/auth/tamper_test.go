package auth

import (
	"bytes"
	"testing"
)

// flips calls f with each byte of b changed, each in another bit than its
// neighbours, so that every field has its highest and lowest bits changed too.
func flips(b []byte, f func(at int, changed []byte)) {
	for at := range b {
		changed := bytes.Clone(b)
		changed[at] ^= 1 << (at % 8)
		f(at, changed)
	}
}

// login runs a whole login, each message through a function that may change it.
func login(t testing.TB, s *Server, record []byte, onKE1, onKE2, onKE3 func([]byte) []byte) error {
	t.Helper()
	c, ke1 := startLogin(t, testPassword)
	ke2, cookie, err := s.Respond(testAccount, record, onKE1(ke1), testBinding(), testNow)
	if err != nil {
		return err
	}
	ke3, session, _, err := c.Finish(onKE2(ke2), testContext(), testAccount)
	if err != nil {
		return err
	}
	serverSession, err := s.Finish(testAccount, onKE3(ke3), cookie, testBinding(), testNow)
	if err == nil && !session.Equal(serverSession) {
		t.Error("a login succeeded with different keys")
	}
	return err
}

func same(b []byte) []byte { return b }

func flip(at int, bit byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b = bytes.Clone(b)
		b[at] ^= bit
		return b
	}
}

func TestFlipKE1(t *testing.T) {
	t.Parallel()
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	check(t, login(t, s, record, same, same, same))
	flips(make([]byte, KE1Size), func(at int, mask []byte) {
		err := login(t, s, record, flip(at, mask[at]), same, same)
		switch {
		case at < elementLen:
			wantError(t, "blinded element", err, ErrMalformed, ErrWrongPassword)
		case at < elementLen+nonceLen:
			wantError(t, "client nonce", err, ErrServerAuthentication)
		default:
			wantError(t, "client keyshare", err, ErrMalformed, ErrServerAuthentication)
		}
	})
}

func TestFlipKE2(t *testing.T) {
	t.Parallel()
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	random := newKE1Random() // one KE1 throughout, so that one KE2 will do
	_, ke1, err := loginStart([]byte(testPassword), random, identityKSF)
	check(t, err)
	ke2, _, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	finish := func(ke2 []byte) error {
		c, _, err := loginStart([]byte(testPassword), random, identityKSF)
		check(t, err)
		_, _, _, err = c.Finish(ke2, testContext(), testAccount)
		return err
	}
	check(t, finish(ke2))
	flips(ke2, func(at int, changed []byte) {
		err := finish(changed)
		inner := at - headerLen
		switch {
		case inner < 0:
			// Without Argon2id an allowed but wrong cost shows in the transcript.
			wantError(t, "header", err, ErrUnacceptableCost, ErrServerAuthentication)
		case inner < elementLen:
			wantError(t, "evaluated element", err, ErrMalformed, ErrWrongPassword)
		case inner < credentialLen:
			wantError(t, "masking nonce or masked response", err, ErrWrongPassword)
		case inner < credentialLen+nonceLen:
			wantError(t, "server nonce", err, ErrServerAuthentication)
		case inner < credentialLen+nonceLen+elementLen:
			wantError(t, "server keyshare", err, ErrMalformed, ErrServerAuthentication)
		default:
			wantError(t, "server MAC", err, ErrServerAuthentication)
		}
	})
}

func TestFlipKE3(t *testing.T) {
	t.Parallel()
	s := NewServer(NewSecrets())
	ke3, cookie := pending(t, s)
	flips(ke3, func(_ int, changed []byte) {
		_, err := s.Finish(testAccount, changed, cookie, testBinding(), testNow)
		wantError(t, "KE3", err, ErrWrongPassword)
	})
}

// TestFlipRecord: a record that was changed in the database logs nobody in.
func TestFlipRecord(t *testing.T) {
	t.Parallel()
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	flips(record, func(at int, changed []byte) {
		err := login(t, s, changed, same, same, same)
		switch at -= headerLen; {
		case at < 0:
			// The header is the client's choice at registration, and no more than
			// a cost: without Argon2id every allowed one works.
			if err != nil {
				wantError(t, "header", err, ErrUnacceptableCost)
				wantError(t, "header at registration", CheckRecord(changed), ErrUnacceptableCost)
			}
		case at < elementLen:
			// The client recovers its own public key, so that another one in the
			// record gives the server other keys.
			wantError(t, "client public key", err, ErrMalformed, ErrServerAuthentication)
		default:
			wantError(t, "masking key or envelope", err, ErrWrongPassword)
		}
	})
}

// TestFlipRegistration: a registration that was tampered with never makes a
// record that this password opens.
func TestFlipRegistration(t *testing.T) {
	t.Parallel()
	s := NewServer(NewSecrets())
	attempt := func(onRequest, onResponse func([]byte) []byte) error {
		c, request, err := registrationStart([]byte(testPassword), randomBlind(), identityKSF)
		check(t, err)
		response, err := s.RegistrationResponse(testAccount, onRequest(request))
		if err != nil {
			return err
		}
		record, _, err := c.Finish(onResponse(response), testAccount)
		if err != nil {
			return err
		}
		return login(t, s, record, same, same, same)
	}
	check(t, attempt(same, same))
	flips(make([]byte, RegistrationRequestSize), func(at int, mask []byte) {
		wantError(t, "request", attempt(flip(at, mask[at]), same), ErrMalformed, ErrWrongPassword)
	})
	flips(make([]byte, RegistrationResponseSize), func(at int, mask []byte) {
		wantError(t, "response", attempt(same, flip(at, mask[at])), ErrMalformed, ErrWrongPassword)
	})
}

// TestLengths: one byte more or less is refused everywhere.
func TestLengths(t *testing.T) {
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	for name, resize := range map[string]func([]byte) []byte{
		"empty":  func([]byte) []byte { return nil },
		"short":  func(b []byte) []byte { return b[:len(b)-1] },
		"longer": func(b []byte) []byte { return append(bytes.Clone(b), 0) },
	} {
		wantError(t, name+" KE1", login(t, s, record, resize, same, same), ErrMalformed)
		wantError(t, name+" KE2", login(t, s, record, same, resize, same), ErrMalformed)
		wantError(t, name+" KE3", login(t, s, record, same, same, resize), ErrMalformed)
		wantError(t, name+" record", CheckRecord(resize(record)), ErrMalformed)
		c, request, err := registrationStart([]byte(testPassword), randomBlind(), identityKSF)
		check(t, err)
		_, err = s.RegistrationResponse(testAccount, resize(request))
		wantError(t, name+" registration request", err, ErrMalformed)
		response, err := s.RegistrationResponse(testAccount, request)
		check(t, err)
		_, _, err = c.Finish(resize(response), testAccount)
		wantError(t, name+" registration response", err, ErrMalformed)
	}
}
