package auth

import "testing"

// What a login costs the server: Respond for accounts that exist and for those
// that do not, which must not differ, and Finish.

func BenchmarkServerRespond(b *testing.B) {
	s := NewServer(NewSecrets())
	record, _ := register(b, s, testAccount, testPassword)
	_, ke1 := startLogin(b, testPassword)
	for name, r := range map[string][]byte{"known": record, "unknown": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _, err := s.Respond(testAccount, r, ke1, testBinding(), testNow)
				check(b, err)
			}
		})
	}
}

func BenchmarkServerFinish(b *testing.B) {
	s := NewServer(NewSecrets())
	ke3, cookie := pending(b, s)
	for b.Loop() {
		_, err := s.Finish(testAccount, ke3, cookie, testBinding(), testNow)
		check(b, err)
	}
}

// BenchmarkClientLogin is the client's side, with Argon2id and without.
func BenchmarkClientLogin(b *testing.B) {
	s := NewServer(NewSecrets())
	for name, stretch := range map[string]stretcher{"argon2id": argon2id, "identity": identityKSF} {
		b.Run(name, func(b *testing.B) {
			registration, request, err := registrationStart([]byte(testPassword), randomBlind(), stretch)
			check(b, err)
			response, err := s.RegistrationResponse(testAccount, request)
			check(b, err)
			record, _, err := registration.Finish(response, testAccount)
			check(b, err)
			random := newKE1Random()
			_, ke1, err := loginStart([]byte(testPassword), random, stretch)
			check(b, err)
			ke2, _, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
			check(b, err)
			for b.Loop() {
				c, _, err := loginStart([]byte(testPassword), random, stretch)
				check(b, err)
				_, _, _, err = c.Finish(ke2, testContext(), testAccount)
				check(b, err)
			}
		})
	}
}

func BenchmarkAdmit(b *testing.B) {
	l := NewLimiter()
	g := Guess{Account: testAccount, Device: "device", Enrolled: true}
	for b.Loop() {
		l.Admit(g, testNow)
		l.Succeeded(g)
	}
}
