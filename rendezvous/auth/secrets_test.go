package auth

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsRoundTrip(t *testing.T) {
	secrets := NewSecrets()
	file := secrets.Marshal()
	parsed, err := ParseSecrets(file)
	check(t, err)
	want(t, "parsed and marshalled secrets", parsed.Marshal(), file)
	file2 := bytes.Clone(file)
	clear(file)
	want(t, "secrets after the caller wiped the file", parsed.Marshal(), file2)
	if bytes.Equal(NewSecrets().Marshal(), file2) {
		t.Error("two clusters have the same secrets")
	}
}

func TestDamagedSecrets(t *testing.T) {
	file := NewSecrets().Marshal()
	flips(file, func(_ int, changed []byte) {
		_, err := ParseSecrets(changed)
		wantError(t, "flipped", err, ErrMalformed)
	})
	for _, changed := range [][]byte{nil, file[1:], file[:len(file)-1], append(bytes.Clone(file), '\n')} {
		_, err := ParseSecrets(changed)
		wantError(t, "of another length", err, ErrMalformed)
	}
}

// TestNothingSecretIsPrinted prints every type that holds a secret in every way
// that Go has, with the secrets set to bytes that are easy to find.
func TestNothingSecretIsPrinted(t *testing.T) {
	const marker = "0123456789abcdefghijklmnopqrstuv"
	secrets := NewSecrets()
	secrets.oprfSeed = []byte(marker + marker)
	secrets.fakeKey = []byte(marker + marker)
	secrets.cookieKey = []byte(marker)
	var export ExportKey
	var session SessionKey
	copy(export.key[:], marker+marker)
	copy(session.key[:], marker+marker)
	registration, _, err := RegistrationStart([]byte(marker))
	check(t, err)
	login, _, err := LoginStart([]byte(marker))
	check(t, err)

	found := []string{marker[:8], hex.EncodeToString([]byte(marker[:8])), "48 49 50 51", "0x30, 0x31"}
	for _, v := range []any{
		secrets, &secrets, export, &export, session, &session, registration, login, NewServer(secrets),
		struct{ Key ExportKey }{export}, []any{secrets, session},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		for _, s := range found {
			if strings.Contains(out.String(), s) {
				t.Errorf("%T is printed: %s", v, out.String())
				break
			}
		}
		if !strings.Contains(out.String(), "[redacted]") {
			t.Errorf("%T does not say that it is redacted: %s", v, out.String())
		}
	}
}

// Every server of a cluster has the same key of challenges, and no other cluster.
func TestChallengeKey(t *testing.T) {
	secrets := NewSecrets()
	again, err := ParseSecrets(secrets.Marshal())
	check(t, err)
	if secrets.ChallengeKey() != again.ChallengeKey() {
		t.Error("two servers have different keys")
	}
	if secrets.ChallengeKey() == NewSecrets().ChallengeKey() {
		t.Error("two clusters have the same key")
	}
	for _, part := range [][]byte{secrets.oprfSeed, secrets.fakeKey, secrets.cookieKey} {
		if key := secrets.ChallengeKey(); bytes.Contains(part, key[:]) {
			t.Error("it is part of another key")
		}
	}
}

func TestKeys(t *testing.T) {
	var a, b ExportKey
	copy(a.key[:], "a")
	if a.Equal(b) || !a.Equal(a) {
		t.Error("ExportKey.Equal is wrong")
	}
	clear(a.Bytes())
	if a.Equal(b) {
		t.Error("Bytes is not a copy")
	}
	var c, d SessionKey
	copy(c.key[:], "c")
	if c.Equal(d) || !c.Equal(c) {
		t.Error("SessionKey.Equal is wrong")
	}
	clear(c.Bytes())
	if c.Equal(d) {
		t.Error("Bytes is not a copy")
	}
}
