package auth

import (
	"bytes"
	"testing"
	"time"
)

// pending is a login that lacks nothing but Server.Finish.
func pending(t testing.TB, s *Server) (ke3, cookie []byte) {
	t.Helper()
	record, _ := register(t, s, testAccount, testPassword)
	c, ke1 := startLogin(t, testPassword)
	ke2, cookie, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	ke3, _, _, err = c.Finish(ke2, testContext(), testAccount)
	check(t, err)
	return ke3, cookie
}

func TestCookieLifetime(t *testing.T) {
	s := NewServer(NewSecrets())
	ke3, cookie := pending(t, s)
	for _, c := range []struct {
		after time.Duration
		want  error
	}{
		{-cookieSkew - time.Millisecond, ErrCookieExpired},
		{-cookieSkew, nil},
		{0, nil},
		{cookieLifetime, nil},
		{cookieLifetime + time.Millisecond, ErrCookieExpired},
		{1 << 62, ErrCookieExpired},
	} {
		_, err := s.Finish(testAccount, ke3, cookie, testBinding(), testNow.Add(c.after))
		wantError(t, c.after.String(), err, c.want)
	}
}

func TestForeignCookie(t *testing.T) {
	s := NewServer(NewSecrets())
	ke3, cookie := pending(t, s)
	change := func(f func(*Binding)) Binding {
		b := testBinding()
		f(&b)
		return b
	}
	for _, c := range []struct {
		name    string
		server  *Server
		account string
		binding Binding
	}{
		{"another cluster's secrets", NewServer(NewSecrets()), testAccount, testBinding()},
		{"another account", s, "bob7", testBinding()},
		{"another peer", s, testAccount, change(func(b *Binding) { b.Peer = []byte("mallory") })},
		{"another cluster key", s, testAccount, change(func(b *Binding) { b.ClusterKey = []byte("other") })},
		{"a password change in between", s, testAccount, change(func(b *Binding) { b.RecordVersion++ })},
		{"a moved border", s, testAccount + "p", change(func(b *Binding) { b.Peer = b.Peer[1:] })},
	} {
		_, err := c.server.Finish(c.account, ke3, cookie, c.binding, testNow)
		wantError(t, c.name, err, ErrCookie)
	}
}

func TestFlipCookie(t *testing.T) {
	s := NewServer(NewSecrets())
	ke3, cookie := pending(t, s)
	flips(cookie, func(_ int, changed []byte) {
		_, err := s.Finish(testAccount, ke3, changed, testBinding(), testNow)
		wantError(t, "cookie", err, ErrCookie)
	})
	for _, changed := range [][]byte{nil, cookie[1:], append(bytes.Clone(cookie), 0)} {
		_, err := s.Finish(testAccount, ke3, changed, testBinding(), testNow)
		wantError(t, "cookie of another length", err, ErrCookie)
	}
}

// TestReplay: a cookie goes with its own KE3 only, and finishing twice gives the
// same key, so that a client may ask again.
func TestReplay(t *testing.T) {
	s := NewServer(NewSecrets())
	ke3, cookie := pending(t, s)
	first, err := s.Finish(testAccount, ke3, cookie, testBinding(), testNow)
	check(t, err)
	again, err := s.Finish(testAccount, ke3, cookie, testBinding(), testNow.Add(time.Second))
	check(t, err)
	if !first.Equal(again) {
		t.Error("finishing twice gives two keys")
	}
	otherKE3, otherCookie := pending(t, s)
	_, err = s.Finish(testAccount, ke3, otherCookie, testBinding(), testNow)
	wantError(t, "an old KE3 with a new cookie", err, ErrWrongPassword)
	_, err = s.Finish(testAccount, otherKE3, cookie, testBinding(), testNow)
	wantError(t, "a new KE3 with an old cookie", err, ErrWrongPassword)
}

// TestCookieTellsNothing: two cookies for one state share no byte run that could
// be the state.
func TestCookieTellsNothing(t *testing.T) {
	s := NewServer(NewSecrets())
	state := cookieState{clientMAC: bytes.Repeat([]byte{0xaa}, macLen)}
	one := s.sealCookie(state, testAccount, testBinding(), testNow)
	two := s.sealCookie(state, testAccount, testBinding(), testNow)
	if bytes.Equal(one[:24], two[:24]) {
		t.Error("a nonce was used twice")
	}
	if bytes.Contains(one, state.clientMAC[:8]) {
		t.Error("the MAC that proves the client is readable")
	}
}
