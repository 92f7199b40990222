package auth

import (
	"bytes"
	"slices"
	"testing"
)

// Every decoder takes any bytes without a panic, and what it accepts is what it
// would have written itself.

func FuzzKE1(f *testing.F) {
	_, ke1 := startLogin(f, testPassword)
	f.Add(ke1)
	f.Add([]byte{})
	s := NewServer(NewSecrets())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseKE1(b)
		_, _, respondErr := s.Respond(testAccount, nil, b, testBinding(), testNow)
		if err != nil {
			wantError(t, "KE1", err, ErrMalformed)
			wantError(t, "Respond", respondErr, ErrMalformed)
			return
		}
		check(t, respondErr)
		nonce := b[elementLen : elementLen+nonceLen]
		want(t, "KE1", slices.Concat(encodeElement(m.blinded), nonce, encodeElement(m.keyshare)), b)
	})
}

func FuzzKE2(f *testing.F) {
	s := NewServer(NewSecrets())
	record, _ := register(f, s, testAccount, testPassword)
	random := newKE1Random()
	_, ke1, err := loginStart([]byte(testPassword), random, identityKSF)
	check(f, err)
	ke2, _, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(f, err)
	f.Add(ke2)
	f.Add(ke2[headerLen:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseKE2(b); err == nil {
			want(t, "KE2", slices.Concat(encodeElement(m.evaluated), m.maskingNonce, m.masked,
				b[credentialLen:credentialLen+nonceLen], encodeElement(m.keyshare), m.mac), b)
		}
		c, _, err := loginStart([]byte(testPassword), random, identityKSF)
		check(t, err)
		_, _, _, err = c.Finish(b, testContext(), testAccount)
		if err == nil && !bytes.Equal(b, ke2) {
			t.Errorf("accepts a KE2 that the server did not make: %x", b)
		}
		wantError(t, "Finish", err, nil,
			ErrMalformed, ErrUnacceptableCost, ErrWrongPassword, ErrServerAuthentication)
	})
}

func FuzzRecord(f *testing.F) {
	s := NewServer(NewSecrets())
	record, _ := register(f, s, testAccount, testPassword)
	f.Add(record)
	f.Add(s.fakeRecord(testAccount))
	_, ke1 := startLogin(f, testPassword)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRecord(b)
		if err != nil {
			wantError(t, "record", err, ErrMalformed, ErrUnacceptableCost)
			return
		}
		want(t, "record", slices.Concat(r.ksf.appendTo(nil), encodeElement(r.clientPublic), r.maskingKey, r.envelope), b)
		_, _, err = s.Respond(testAccount, b, ke1, testBinding(), testNow)
		check(t, err)
	})
}

func FuzzRegistration(f *testing.F) {
	s := NewServer(NewSecrets())
	_, request, err := registrationStart([]byte(testPassword), randomBlind(), identityKSF)
	check(f, err)
	response, err := s.RegistrationResponse(testAccount, request)
	check(f, err)
	f.Add(request)
	f.Add(response)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := s.RegistrationResponse(testAccount, b); err != nil {
			wantError(t, "request", err, ErrMalformed)
		}
		c, _, err := registrationStart([]byte(testPassword), randomBlind(), identityKSF)
		check(t, err)
		record, _, err := c.Finish(b, testAccount)
		if err != nil {
			wantError(t, "response", err, ErrMalformed)
			return
		}
		check(t, CheckRecord(record))
	})
}

func FuzzFinish(f *testing.F) {
	s := NewServer(NewSecrets())
	ke3, cookie := pending(f, s)
	f.Add(ke3, cookie)
	f.Fuzz(func(t *testing.T, k, c []byte) {
		_, err := s.Finish(testAccount, k, c, testBinding(), testNow)
		if err == nil && !(bytes.Equal(k, ke3) && bytes.Equal(c, cookie)) {
			t.Errorf("accepts KE3 %x with cookie %x", k, c)
		}
		wantError(t, "Finish", err, nil, ErrMalformed, ErrWrongPassword, ErrCookie)
	})
}

func FuzzSecrets(f *testing.F) {
	f.Add(NewSecrets().Marshal())
	f.Add([]byte(secretsMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSecrets(b)
		if err != nil {
			wantError(t, "secrets", err, ErrMalformed)
			return
		}
		want(t, "secrets", s.Marshal(), b)
	})
}
