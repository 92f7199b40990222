package auth

import "fmt"

// identities are what RFC 9807 calls client_identity and server_identity. An
// empty one stands for that side's public key. In tryst the client's is the
// account and the server's is empty.
type identities struct {
	client, server []byte
}

// accountIdentities checks and wraps an account. It fails with ErrArgument.
func accountIdentities(account string) (identities, error) {
	if account == "" || len(account) > maxAccount {
		return identities{}, fmt.Errorf("%w: account of %d bytes", ErrArgument, len(account))
	}
	return identities{client: []byte(account)}, nil
}

// withDefaults fills in the public keys.
func (ids identities) withDefaults(clientPublic, serverPublic []byte) identities {
	if len(ids.client) == 0 {
		ids.client = clientPublic
	}
	if len(ids.server) == 0 {
		ids.server = serverPublic
	}
	return ids
}

// opened is what a client has once it has made or opened its envelope.
type opened struct {
	redacted
	key        keyPair // the client's long-term key
	maskingKey []byte  // hashLen bytes
	authKey    []byte  // hashLen bytes
	exportKey  ExportKey
	tag        []byte // auth_tag, macLen bytes: what the envelope must end in
}

// deriveEnvelope is what Store and Recover of RFC 9807 section 4.1.2 and 4.1.3
// have in common: everything follows from the randomized password and the
// envelope's nonce, and the envelope itself is no more than nonce || tag.
func deriveEnvelope(randomizedPassword, nonce, serverPublic []byte, ids identities) opened {
	var o opened
	o.maskingKey = expand(randomizedPassword, nil, "MaskingKey", hashLen)
	o.authKey = expand(randomizedPassword, nonce, "AuthKey", hashLen)
	copy(o.exportKey.key[:], expand(randomizedPassword, nonce, "ExportKey", hashLen))
	o.key = deriveKeyPair(expand(randomizedPassword, nonce, "PrivateKey", seedLen))

	ids = ids.withDefaults(o.key.public, serverPublic)
	cleartext := append([]byte(nil), serverPublic...)
	cleartext = appendVector(cleartext, ids.server)
	cleartext = appendVector(cleartext, ids.client)
	o.tag = mac(o.authKey, nonce, cleartext)
	return o
}

// openEnvelope is Recover. It fails with ErrWrongPassword.
func openEnvelope(randomizedPassword, envelope, serverPublic []byte, ids identities) (opened, error) {
	nonce, tag := envelope[:nonceLen], envelope[nonceLen:]
	o := deriveEnvelope(randomizedPassword, nonce, serverPublic, ids)
	if !equal(o.tag, tag) {
		return opened{}, ErrWrongPassword
	}
	return o, nil
}
