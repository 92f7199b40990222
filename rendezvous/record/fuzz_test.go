package record

import (
	"bytes"
	"testing"
)

// fuzz gives a decoder anything: it must not panic, and what it accepts must be
// the one encoding of what it returns.
func fuzz[T any](f *testing.F, seeds [][]byte, parse func([]byte) (T, error), encode func(T) []byte) {
	for _, seed := range seeds {
		f.Add(seed)
		if len(seed) > 10 {
			f.Add(seed[:len(seed)-10])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(encode(v), b) {
			t.Errorf("two encodings of %v", v)
		}
	})
}

// bodies returns the valid records of a kind without their signatures, since no
// fuzzer guesses one.
func bodies(names ...string) (found [][]byte) {
	for _, k := range kinds() {
		for _, name := range names {
			if k.name == name {
				body, _, _ := split(k.signed)
				found = append(found, body)
			}
		}
	}
	return found
}

// unsigned is a Signer that adds nothing, so that Sign returns the body.
type unsigned struct{}

func (unsigned) Sign([]byte) []byte { return nil }

func FuzzDeviceEntry(f *testing.F) {
	fuzz(f, bodies("device entry"), parseDeviceEntry, func(e DeviceEntry) []byte { return e.Sign(unsigned{}) })
}

func FuzzCertificate(f *testing.F) {
	fuzz(f, bodies("certificate"), parseCertificate, func(c Certificate) []byte { return c.Sign(unsigned{}) })
}

func FuzzPermit(f *testing.F) {
	fuzz(f, bodies("permit"), parsePermit, func(p Permit) []byte { return p.Sign(unsigned{}) })
}

func FuzzBundle(f *testing.F) {
	fuzz(f, bodies("bundle"), parseBundle, func(b Bundle) []byte { return b.Sign(unsigned{}) })
}

func FuzzOneTimePrekey(f *testing.F) {
	fuzz(f, bodies("one-time prekey"), parseOneTimePrekey, func(p OneTimePrekey) []byte { return p.Sign(unsigned{}) })
}

func FuzzStatement(f *testing.F) {
	fuzz(f, bodies("create statement", "invite statement", "join statement"), parseStatement, func(s Statement) []byte { return s.Sign(unsigned{}) })
}

func FuzzDeviceLogState(f *testing.F) {
	log, _ := logOf(f, 3, 1)
	seeds := [][]byte{log.State(), NewDeviceLog("alice42", identity.public()).State()}
	fuzz(f, seeds, RestoreDeviceLog, DeviceLog.State)
}

func FuzzChainState(f *testing.F) {
	chain, _ := chainOf(f, 3)
	fuzz(f, [][]byte{chain.State(), busyChain(f).State()}, RestoreChain, Chain.State)
}

// FuzzSigned gives every verifier whole signed records.
func FuzzSigned(f *testing.F) {
	for _, k := range kinds() {
		f.Add(k.signed)
	}
	f.Fuzz(func(t *testing.T, signed []byte) {
		for _, k := range kinds() {
			v, err := k.verify(signed)
			if err == nil && !bytes.Equal(k.sign(v), signed) {
				t.Errorf("a %s with two encodings", k.name)
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add("Alice", "42")
	f.Add("#friends", "")
	f.Fuzz(func(t *testing.T, name, roll string) {
		if a, err := NewAccount(name, roll); err == nil {
			if again, err := ParseAccount(string(a)); err != nil || again != a {
				t.Errorf("account %q reads as %q, %v", a, again, err)
			}
		}
		if g, err := ParseGroupName(name); err == nil {
			if again, err := ParseGroupName("#" + string(g)); err != nil || again != g {
				t.Errorf("group %q reads as %q, %v", g, again, err)
			}
		}
	})
}
