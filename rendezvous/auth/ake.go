package auth

import (
	"crypto/sha512"
	"slices"
)

// transcript is what both sides hash before they derive keys: the preamble of
// RFC 9807 section 6.4.2.1. The identities have their defaults filled in.
type transcript struct {
	context  []byte
	ids      identities
	ke1      []byte
	ke2Inner []byte // KE2 without the server's MAC
}

func (t transcript) preamble() []byte {
	b := []byte("OPAQUEv1-")
	b = appendVector(b, t.context)
	b = appendVector(b, t.ids.client)
	b = append(b, t.ke1...)
	b = appendVector(b, t.ids.server)
	return append(b, t.ke2Inner...)
}

// schedule is what 3DH yields: the two MACs and the session key, and the keys in
// between, which only tests look at.
type schedule struct {
	redacted
	handshakeSecret []byte
	serverMACKey    []byte
	clientMACKey    []byte

	serverMAC []byte // proves the server, ends KE2
	clientMAC []byte // proves the client, is KE3
	session   SessionKey
}

// newSchedule derives the keys (RFC 9807 sections 6.4.2.2, 6.4.3 and 6.4.4) from
// the three Diffie-Hellman results: ephemeral-ephemeral, client's ephemeral with
// the server's long-term key, client's long-term key with the server's ephemeral.
func newSchedule(dh1, dh2, dh3 []byte, t transcript) schedule {
	preamble := t.preamble()
	hash := sha512.Sum512(preamble)
	prk := extract(slices.Concat(dh1, dh2, dh3))

	var s schedule
	s.handshakeSecret = expandLabel(prk, "HandshakeSecret", hash[:])
	copy(s.session.key[:], expandLabel(prk, "SessionKey", hash[:]))
	s.serverMACKey = expandLabel(s.handshakeSecret, "ServerMAC", nil)
	s.clientMACKey = expandLabel(s.handshakeSecret, "ClientMAC", nil)

	s.serverMAC = mac(s.serverMACKey, hash[:])
	full := sha512.Sum512(append(preamble, s.serverMAC...))
	s.clientMAC = mac(s.clientMACKey, full[:])
	return s
}
