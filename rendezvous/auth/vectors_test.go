package auth

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloudflare/circl/group"
)

// readVectors decodes a file of published vectors. They are not part of this
// project: without them the test is skipped, except in CI, which has them.
func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "vectors", name))
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("the published vectors are not beside this checkout: %v", err)
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// opaqueVector is one entry of RFC 9807 appendix C.
type opaqueVector struct {
	Config        map[string]string
	Inputs        map[string]hexBytes
	Intermediates map[string]hexBytes
	Outputs       map[string]hexBytes
}

func identityKSF(_ ksf, oprfOutput []byte) []byte { return oprfOutput }

func TestOPAQUEVectors(t *testing.T) {
	var all []opaqueVector
	readVectors(t, "opaque-rfc9807.json", &all)
	done := 0
	for _, v := range all {
		if v.Config["OPRF"] != "ristretto255-SHA512" || v.Config["Group"] != "ristretto255" {
			continue
		}
		done++
		name := "real"
		run := checkReal
		if v.Config["Fake"] == "True" {
			name, run = "fake", checkFake
		}
		t.Run(name, func(t *testing.T) { run(t, v) })
	}
	if done != 3 {
		t.Errorf("ran %d vectors, want 3", done)
	}
}

// checkReal runs registration and login as the vector prescribes.
func checkReal(t *testing.T, v opaqueVector) {
	in, mid, out := v.Inputs, v.Intermediates, v.Outputs
	ids := identities{client: in["client_identity"], server: in["server_identity"]}
	server := vectorServer(t, in)
	want(t, "server_public_key", server.key.public, in["server_public_key"])

	registration, request, err := registrationStart(in["password"], vectorScalar(t, in["blind_registration"]), identityKSF)
	check(t, err)
	want(t, "registration_request", request, out["registration_request"])
	response, err := server.RegistrationResponse(string(in["credential_identifier"]), request)
	check(t, err)
	want(t, "registration_response", response, out["registration_response"])
	record, export, err := registration.finish(response, ids, in["envelope_nonce"])
	check(t, err)
	want(t, "registration_upload", record[headerLen:], out["registration_upload"])
	want(t, "export_key", export.Bytes(), out["export_key"])

	login, ke1, err := loginStart(in["password"], ke1Random{
		blind: vectorScalar(t, in["blind_login"]), nonce: in["client_nonce"], keyshareSeed: in["client_keyshare_seed"],
	}, identityKSF)
	check(t, err)
	want(t, "KE1", ke1, out["KE1"])
	ke2, serverKeys := vectorKE2(t, server, v, record, ke1)
	want(t, "KE2", ke2, out["KE2"])
	want(t, "handshake_secret", serverKeys.handshakeSecret, mid["handshake_secret"])
	want(t, "server_mac_key", serverKeys.serverMACKey, mid["server_mac_key"])
	want(t, "client_mac_key", serverKeys.clientMACKey, mid["client_mac_key"])

	context, _ := hex.DecodeString(v.Config["Context"])
	result, err := login.generateKE3(ke2, context, ids, defaultKSF())
	check(t, err)
	want(t, "KE3", result.keys.clientMAC, out["KE3"])
	want(t, "session_key", result.keys.session.Bytes(), out["session_key"])
	want(t, "export_key at login", result.envelope.exportKey.Bytes(), out["export_key"])
	want(t, "auth_key", result.envelope.authKey, mid["auth_key"])
	want(t, "masking_key", result.envelope.maskingKey, mid["masking_key"])
	want(t, "client_public_key", result.envelope.key.public, mid["client_public_key"])
	want(t, "the server's client MAC", serverKeys.clientMAC, out["KE3"])
	want(t, "the server's session key", serverKeys.session.Bytes(), out["session_key"])
}

// checkFake runs the answer for an account that does not exist.
func checkFake(t *testing.T, v opaqueVector) {
	record := defaultKSF().appendTo(nil)
	record = append(record, v.Inputs["client_public_key"]...)
	record = append(record, v.Inputs["masking_key"]...)
	record = append(record, make([]byte, envelopeLen)...)
	ke2, _ := vectorKE2(t, vectorServer(t, v.Inputs), v, record, v.Inputs["KE1"])
	want(t, "KE2", ke2, v.Outputs["KE2"])
}

func vectorKE2(t *testing.T, server *Server, v opaqueVector, record, ke1 []byte) ([]byte, schedule) {
	t.Helper()
	r, err := parseRecord(record)
	check(t, err)
	context, _ := hex.DecodeString(v.Config["Context"])
	ke2, keys, err := server.generateKE2(ke2Input{
		credential: v.Inputs["credential_identifier"],
		ids:        identities{client: v.Inputs["client_identity"], server: v.Inputs["server_identity"]},
		context:    context, record: r, ke1: ke1,
	}, ke2Random{
		maskingNonce: v.Inputs["masking_nonce"],
		serverNonce:  v.Inputs["server_nonce"],
		keyshareSeed: v.Inputs["server_keyshare_seed"],
	})
	check(t, err)
	return ke2, keys
}

func vectorServer(t *testing.T, in map[string]hexBytes) *Server {
	t.Helper()
	secrets := NewSecrets()
	secrets.oprfSeed = in["oprf_seed"]
	secrets.private = vectorScalar(t, in["server_private_key"])
	return NewServer(secrets)
}

func vectorScalar(t *testing.T, b []byte) group.Scalar {
	t.Helper()
	s, err := decodeScalar(b)
	check(t, err)
	return s
}

// oprfVector is one entry of RFC 9497 appendix A.
type oprfVector struct {
	Identifier string
	Mode       int
	Seed       hexBytes
	KeyInfo    hexBytes
	SkSm       hexBytes
	Vectors    []map[string]any
}

// TestOPRFVectors runs base mode, the only one OPAQUE uses, through the code that
// clients and servers here run.
func TestOPRFVectors(t *testing.T) {
	var all []oprfVector
	readVectors(t, "oprf-rfc9497.json", &all)
	done := 0
	for _, v := range all {
		if v.Identifier != "ristretto255-SHA512" || v.Mode != 0 {
			continue
		}
		key := deriveOPRFKey(v.Seed, string(v.KeyInfo))
		encoded, err := key.MarshalBinary()
		check(t, err)
		want(t, "skSm", encoded, v.SkSm)
		for _, one := range v.Vectors {
			done++
			field := func(name string) []byte {
				b, err := hex.DecodeString(one[name].(string))
				check(t, err)
				return b
			}
			var output []byte
			keep := func(_ ksf, oprfOutput []byte) []byte {
				output = bytes.Clone(oprfOutput)
				return nil
			}
			state, request, err := blindPassword(field("Input"), vectorScalar(t, field("Blind")), keep)
			check(t, err)
			want(t, "BlindedElement", request, field("BlindedElement"))
			element, err := decodeElement(request)
			check(t, err)
			evaluation := blindEvaluate(key, element)
			want(t, "EvaluationElement", encodeElement(evaluation), field("EvaluationElement"))
			_, err = state.randomizedPassword(evaluation, defaultKSF())
			check(t, err)
			want(t, "Output", output, field("Output"))
		}
	}
	if done != 2 {
		t.Errorf("ran %d vectors, want 2", done)
	}
}

// TestGroupEncodings: only canonical elements other than the identity, and only
// reduced scalars other than zero (RFC 9496 appendix A.2 has more of the former).
func TestGroupEncodings(t *testing.T) {
	decode := map[string]func([]byte) error{
		"element": func(b []byte) error { _, err := decodeElement(b); return err },
		"scalar":  func(b []byte) error { _, err := decodeScalar(b); return err },
	}
	for _, c := range []struct{ kind, name, hex string }{
		{"element", "identity", strings.Repeat("00", 32)},
		{"element", "field's order", "ed" + strings.Repeat("ff", 30) + "7f"},
		{"element", "not reduced", strings.Repeat("ff", 32)},
		{"element", "negative", "01" + strings.Repeat("00", 31)},
		{"element", "not a square", "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"},
		{"element", "short", strings.Repeat("02", 31)},
		{"element", "empty", ""},
		{"scalar", "zero", strings.Repeat("00", 32)},
		{"scalar", "group's order", "edd3f55c1a631258d69cf7a2def9de14" + strings.Repeat("00", 15) + "10"},
		{"scalar", "not reduced", strings.Repeat("ff", 32)},
		{"scalar", "short", strings.Repeat("02", 31)},
	} {
		b, err := hex.DecodeString(c.hex)
		check(t, err)
		wantError(t, c.kind+" "+c.name, decode[c.kind](b), ErrMalformed)
	}
}
