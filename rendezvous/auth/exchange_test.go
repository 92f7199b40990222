package auth

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

const (
	testAccount  = "alice42"
	testPassword = "correct horse battery staple"
)

var testNow = time.UnixMilli(1_800_000_000_000)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%x, want\n%x", what, got, want)
	}
}

// wantError fails unless err is one of the sentinels.
func wantError(t testing.TB, what string, err error, sentinels ...error) {
	t.Helper()
	if !slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) }) {
		t.Errorf("%s: error is %v, want one of %v", what, err, sentinels)
	}
}

func testBinding() Binding {
	return Binding{ClusterKey: bytes.Repeat([]byte{7}, 32), Peer: []byte("peer of alice's laptop"), RecordVersion: 3}
}

func testContext() []byte { return Context(testBinding().ClusterKey, testBinding().Peer) }

// register signs up without Argon2id and returns what each side keeps.
func register(t testing.TB, s *Server, account, password string) ([]byte, ExportKey) {
	t.Helper()
	c, request, err := registrationStart([]byte(password), randomBlind(), identityKSF)
	check(t, err)
	response, err := s.RegistrationResponse(account, request)
	check(t, err)
	record, export, err := c.Finish(response, account)
	check(t, err)
	check(t, CheckRecord(record))
	return record, export
}

// startLogin begins a login without Argon2id.
func startLogin(t testing.TB, password string) (*ClientLogin, []byte) {
	t.Helper()
	c, ke1, err := loginStart([]byte(password), newKE1Random(), identityKSF)
	check(t, err)
	return c, ke1
}

// TestLogin is the whole exchange with the real Argon2id and with two servers,
// of which one answers and the other finishes.
func TestLogin(t *testing.T) {
	secrets := NewSecrets()
	copied, err := ParseSecrets(secrets.Marshal())
	check(t, err)
	one, other := NewServer(secrets), NewServer(copied)

	registration, request, err := RegistrationStart([]byte(testPassword))
	check(t, err)
	response, err := one.RegistrationResponse(testAccount, request)
	check(t, err)
	record, registered, err := registration.Finish(response, testAccount)
	check(t, err)
	check(t, CheckRecord(record))

	login, ke1, err := LoginStart([]byte(testPassword))
	check(t, err)
	ke2, cookie, err := one.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	ke3, session, export, err := login.Finish(ke2, testContext(), testAccount)
	check(t, err)
	serverSession, err := other.Finish(testAccount, ke3, cookie, testBinding(), testNow.Add(time.Second))
	check(t, err)

	if !session.Equal(serverSession) {
		t.Error("client and server have different session keys")
	}
	if !export.Equal(registered) {
		t.Error("login and registration yield different export keys")
	}
	for _, c := range []struct {
		name string
		b    []byte
		size int
	}{
		{"registration request", request, RegistrationRequestSize},
		{"registration response", response, RegistrationResponseSize},
		{"record", record, RecordSize},
		{"KE1", ke1, KE1Size}, {"KE2", ke2, KE2Size}, {"KE3", ke3, KE3Size},
		{"cookie", cookie, CookieSize},
	} {
		if len(c.b) != c.size {
			t.Errorf("%s has %d bytes, its constant says %d", c.name, len(c.b), c.size)
		}
	}
}

// TestArgon2idIsUsed: a record made with it opens for nobody who leaves it out.
func TestArgon2idIsUsed(t *testing.T) {
	s := NewServer(NewSecrets())
	registration, request, err := RegistrationStart([]byte(testPassword))
	check(t, err)
	response, err := s.RegistrationResponse(testAccount, request)
	check(t, err)
	record, _, err := registration.Finish(response, testAccount)
	check(t, err)
	login, ke1 := startLogin(t, testPassword)
	ke2, _, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	_, _, _, err = login.Finish(ke2, testContext(), testAccount)
	wantError(t, "login without Argon2id", err, ErrWrongPassword)
}

func TestWrongPasswordAndUnknownAccountAreAlike(t *testing.T) {
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	attempt := func(account string, record []byte) (ke2 []byte, err error) {
		c, ke1 := startLogin(t, "a wrong password")
		ke2, cookie, err := s.Respond(account, record, ke1, testBinding(), testNow)
		check(t, err)
		if len(cookie) != CookieSize || len(ke2) != KE2Size {
			t.Errorf("KE2 has %d bytes, cookie %d", len(ke2), len(cookie))
		}
		_, err = s.Finish(account, make([]byte, KE3Size), cookie, testBinding(), testNow)
		wantError(t, "server", err, ErrWrongPassword)
		ke3, session, export, err := c.Finish(ke2, testContext(), account)
		if ke3 != nil || !session.Equal(SessionKey{}) || !export.Equal(ExportKey{}) {
			t.Error("a failed login yields something")
		}
		return ke2, err
	}
	known, wrong := attempt(testAccount, record)
	unknown, nobody := attempt("nobody1", nil)
	_, empty := attempt("nobody1", []byte{})
	wantError(t, "empty record", empty, ErrWrongPassword)
	wantError(t, "wrong password", wrong, ErrWrongPassword)
	wantError(t, "unknown account", nobody, ErrWrongPassword)
	if wrong.Error() != nobody.Error() {
		t.Errorf("the answers differ: %q and %q", wrong, nobody)
	}
	want(t, "header of an unknown account's KE2", unknown[:headerLen], known[:headerLen])
}

// TestRightPasswordOfUnknownAccount: the fake record opens for nobody.
func TestRightPasswordOfUnknownAccount(t *testing.T) {
	s := NewServer(NewSecrets())
	register(t, s, testAccount, testPassword)
	c, ke1 := startLogin(t, testPassword)
	ke2, _, err := s.Respond(testAccount, nil, ke1, testBinding(), testNow)
	check(t, err)
	_, _, _, err = c.Finish(ke2, testContext(), testAccount)
	wantError(t, "unknown account", err, ErrWrongPassword)
}

func TestFakeRecord(t *testing.T) {
	secrets := NewSecrets()
	s := NewServer(secrets)
	fake := s.fakeRecord(testAccount)
	check(t, CheckRecord(fake))
	want(t, "the fake record of another server", NewServer(secrets).fakeRecord(testAccount), fake)
	real, _ := register(t, s, testAccount, testPassword)
	want(t, "the fake record's header", fake[:headerLen], real[:headerLen])
	for what, other := range map[string][]byte{
		"another account": s.fakeRecord("alice43"),
		"another cluster": NewServer(NewSecrets()).fakeRecord(testAccount),
	} {
		if bytes.Equal(other[headerLen:headerLen+elementLen+hashLen], fake[headerLen:headerLen+elementLen+hashLen]) {
			t.Errorf("%s has the same fake record", what)
		}
	}
}

// TestRecordIsTheAccounts: a database that swaps records logs nobody in.
func TestRecordIsTheAccounts(t *testing.T) {
	s := NewServer(NewSecrets())
	record, _ := register(t, s, "mallory1", testPassword)
	c, ke1 := startLogin(t, testPassword)
	ke2, _, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	_, _, _, err = c.Finish(ke2, testContext(), testAccount)
	wantError(t, "another account's record", err, ErrWrongPassword)
}

// TestContextIsBound: a KE2 for another cluster or peer is refused as such.
func TestContextIsBound(t *testing.T) {
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	b := testBinding()
	for name, context := range map[string][]byte{
		"other cluster": Context([]byte("another cluster's key"), b.Peer),
		"other peer":    Context(b.ClusterKey, []byte("another peer")),
		"moved border":  Context(append(bytes.Clone(b.ClusterKey), b.Peer[0]), b.Peer[1:]),
	} {
		c, ke1 := startLogin(t, testPassword)
		ke2, _, err := s.Respond(testAccount, record, ke1, b, testNow)
		check(t, err)
		_, _, _, err = c.Finish(ke2, context, testAccount)
		wantError(t, name, err, ErrServerAuthentication)
	}
}

// TestWrongServer: who has the database and the OPRF seed, but not the servers'
// private key, cannot pass for them.
func TestWrongServer(t *testing.T) {
	secrets := NewSecrets()
	record, _ := register(t, NewServer(secrets), testAccount, testPassword)
	impostor := NewServer(secrets)
	public := impostor.key.public
	impostor.key = newKeyPair(randomBlind())
	impostor.key.public = public // the envelope opens with the true one only
	c, ke1 := startLogin(t, testPassword)
	ke2, _, err := impostor.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	_, _, _, err = c.Finish(ke2, testContext(), testAccount)
	wantError(t, "impostor", err, ErrServerAuthentication)
}

func TestPasswordChangeRenewsExportKey(t *testing.T) {
	s := NewServer(NewSecrets())
	_, first := register(t, s, testAccount, testPassword)
	_, second := register(t, s, testAccount, testPassword)
	if first.Equal(second) {
		t.Error("two registrations yield one export key")
	}
}

func TestClientStateWorksOnce(t *testing.T) {
	s := NewServer(NewSecrets())
	registration, request, err := registrationStart([]byte(testPassword), randomBlind(), identityKSF)
	check(t, err)
	response, err := s.RegistrationResponse(testAccount, request)
	check(t, err)
	record, _, err := registration.Finish(response, testAccount)
	check(t, err)
	_, _, err = registration.Finish(response, testAccount)
	wantError(t, "second registration", err, ErrSpent)

	login, ke1 := startLogin(t, testPassword)
	ke2, _, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	_, _, _, err = login.Finish(ke2, testContext(), testAccount)
	check(t, err)
	_, _, _, err = login.Finish(ke2, testContext(), testAccount)
	wantError(t, "second login", err, ErrSpent)
	if bytes.Contains(login.oprf.password, []byte("horse")) {
		t.Error("the password is still there")
	}
}

// TestCallersMemory: what the caller does to its own slices afterwards changes
// nothing.
func TestCallersMemory(t *testing.T) {
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	password := []byte(testPassword)
	c, ke1, err := loginStart(password, newKE1Random(), identityKSF)
	check(t, err)
	clear(password)
	ke2, _, err := s.Respond(testAccount, record, bytes.Clone(ke1), testBinding(), testNow)
	check(t, err)
	clear(ke1)
	_, _, _, err = c.Finish(ke2, testContext(), testAccount)
	check(t, err)
}

func TestArguments(t *testing.T) {
	s := NewServer(NewSecrets())
	for _, password := range [][]byte{nil, make([]byte, MaxPassword+1)} {
		_, _, err := RegistrationStart(password)
		wantError(t, "registration", err, ErrPasswordLength)
		_, _, err = LoginStart(password)
		wantError(t, "login", err, ErrPasswordLength)
	}
	_, ke1 := startLogin(t, testPassword)
	long := string(make([]byte, maxAccount+1))
	for _, account := range []string{"", long} {
		_, err := s.RegistrationResponse(account, ke1[:elementLen])
		wantError(t, "registration response", err, ErrArgument)
		_, _, err = s.Respond(account, nil, ke1, testBinding(), testNow)
		wantError(t, "respond", err, ErrArgument)
		c, _ := startLogin(t, testPassword)
		_, _, _, err = c.Finish(make([]byte, KE2Size), testContext(), account)
		wantError(t, "login", err, ErrArgument)
	}
	for name, b := range map[string]Binding{
		"no cluster key": {Peer: []byte("p")},
		"no peer":        {ClusterKey: []byte("c")},
		"long peer":      {ClusterKey: []byte("c"), Peer: make([]byte, maxContext)},
	} {
		_, _, err := s.Respond(testAccount, nil, ke1, b, testNow)
		wantError(t, name, err, ErrArgument)
	}
}
