package auth

import "sync"

// Rehearsed is a password whose Argon2id is done once an account and then remembered, for
// many goroutines. It is for measuring servers: a machine cannot stretch passwords for as
// many logins as one server answers. To the server there is no difference. What it holds is
// worth as much as the password.
type Rehearsed struct {
	redacted
	password []byte

	mu        sync.Mutex
	stretched map[string][]byte // guarded by mu; by cost and OPRF output
}

// NewRehearsed returns a Rehearsed that has stretched nothing yet.
func NewRehearsed(password []byte) *Rehearsed {
	return &Rehearsed{password: append([]byte(nil), password...), stretched: make(map[string][]byte)}
}

// RegistrationStart is the function of that name.
func (r *Rehearsed) RegistrationStart() (*ClientRegistration, []byte, error) {
	return registrationStart(r.password, randomBlind(), r.stretch)
}

// LoginStart is the function of that name.
func (r *Rehearsed) LoginStart() (*ClientLogin, []byte, error) {
	return loginStart(r.password, newKE1Random(), r.stretch)
}

// stretch is argon2id, a stretcher.
func (r *Rehearsed) stretch(k ksf, oprfOutput []byte) []byte {
	key := string(k.appendTo(nil)) + string(oprfOutput)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stretched[key] == nil {
		r.stretched[key] = argon2id(k, oprfOutput)
	}
	return r.stretched[key]
}
