package auth

import (
	"bytes"
	"math"
	"testing"
)

func TestCostBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		ksf  ksf
		want error
	}{
		{"defaults", defaultKSF(), nil},
		{"most", ksf{maxMemory, maxPasses, maxLanes}, nil},
		{"less memory", ksf{defaultMemory - 1, defaultPasses, defaultLanes}, ErrUnacceptableCost},
		{"fewer passes", ksf{defaultMemory, defaultPasses - 1, defaultLanes}, ErrUnacceptableCost},
		{"fewer lanes", ksf{defaultMemory, defaultPasses, defaultLanes - 1}, ErrUnacceptableCost},
		{"fewer passes for more memory", ksf{maxMemory, 1, defaultLanes}, ErrUnacceptableCost},
		{"more memory", ksf{maxMemory + 1, defaultPasses, defaultLanes}, ErrUnacceptableCost},
		{"more passes", ksf{defaultMemory, maxPasses + 1, defaultLanes}, ErrUnacceptableCost},
		{"more lanes", ksf{defaultMemory, defaultPasses, maxLanes + 1}, ErrUnacceptableCost},
		{"all", ksf{math.MaxUint32, math.MaxUint32, math.MaxUint8}, ErrUnacceptableCost},
		{"nothing", ksf{}, ErrUnacceptableCost},
	} {
		header := c.ksf.appendTo(nil)
		parsed, err := parseKSF(header)
		wantError(t, c.name, err, c.want)
		want(t, c.name+" encoded again", parsed.appendTo(nil), header)
	}
	header := defaultKSF().appendTo(nil)
	header[0]++
	_, err := parseKSF(header)
	wantError(t, "another suite", err, ErrUnacceptableCost)
}

// TestUnacceptableCostIsNotPaid: the client refuses before it stretches.
func TestUnacceptableCostIsNotPaid(t *testing.T) {
	never := func(ksf, []byte) []byte {
		t.Error("stretched")
		return nil
	}
	c, _, err := loginStart([]byte(testPassword), newKE1Random(), never)
	check(t, err)
	message := append(ksf{math.MaxUint32, 1, 1}.appendTo(nil), make([]byte, ke2Len)...)
	_, _, _, err = c.Finish(message, testContext(), testAccount)
	wantError(t, "login", err, ErrUnacceptableCost)
}

// TestStoredCostReachesTheClient: what the record says is what the client pays.
func TestStoredCostReachesTheClient(t *testing.T) {
	dearer := ksf{memory: 2 * defaultMemory, passes: 5, lanes: 8}
	s := NewServer(NewSecrets())
	record, _ := register(t, s, testAccount, testPassword)
	record = append(dearer.appendTo(nil), record[headerLen:]...)
	var got ksf
	c, ke1, err := loginStart([]byte(testPassword), newKE1Random(), func(k ksf, output []byte) []byte {
		got = k
		return output
	})
	check(t, err)
	ke2, _, err := s.Respond(testAccount, record, ke1, testBinding(), testNow)
	check(t, err)
	_, _, _, err = c.Finish(ke2, testContext(), testAccount)
	check(t, err)
	if got != dearer {
		t.Errorf("the client stretched with %+v, the record says %+v", got, dearer)
	}
}

// TestArgon2idParameters: every parameter changes the result.
func TestArgon2idParameters(t *testing.T) {
	small := ksf{memory: 64, passes: 1, lanes: 1}
	base := argon2id(small, []byte("output"))
	if len(base) != hashLen {
		t.Errorf("%d bytes", len(base))
	}
	for name, k := range map[string]ksf{
		"memory": {128, 1, 1}, "passes": {64, 2, 1}, "lanes": {64, 1, 2},
	} {
		if bytes.Equal(argon2id(k, []byte("output")), base) {
			t.Errorf("%s changes nothing", name)
		}
	}
}
