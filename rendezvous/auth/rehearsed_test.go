package auth

import "testing"

// A server cannot tell a rehearsed login from another, and either opens what the other
// registered; Argon2id is done once.
func TestRehearsed(t *testing.T) {
	s := NewServer(NewSecrets())
	r := NewRehearsed([]byte(testPassword))
	registration, request, err := r.RegistrationStart()
	check(t, err)
	response, err := s.RegistrationResponse(testAccount, request)
	check(t, err)
	record, export, err := registration.Finish(response, testAccount)
	check(t, err)
	for i, start := range []func() (*ClientLogin, []byte, error){
		r.LoginStart, r.LoginStart, func() (*ClientLogin, []byte, error) { return LoginStart([]byte(testPassword)) },
	} {
		login, ke1, err := start()
		check(t, err)
		ke2, cookie, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
		check(t, err)
		ke3, session, opened, err := login.Finish(ke2, testContext(), testAccount)
		check(t, err)
		same, err := s.Finish(testAccount, ke3, cookie, testBinding(), testNow)
		check(t, err)
		if !same.Equal(session) || !opened.Equal(export) {
			t.Errorf("login %d has another key", i)
		}
	}
	if len(r.stretched) != 1 {
		t.Errorf("stretched %d times", len(r.stretched))
	}
}
