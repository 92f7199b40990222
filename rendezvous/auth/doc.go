// Package auth is OPAQUE (RFC 9807) as tryst speaks it: a login in which the
// server never sees the password, and whoever steals its database must spend an
// Argon2id computation on every guess. It also yields the export key, a secret
// that only the password brings back, and under which the node wraps its vault.
//
// Suite 1 is ristretto255-SHA512 with HKDF-SHA-512 and HMAC-SHA-512, the 3DH key
// exchange, and Argon2id as the key stretching function (KSF).
//
//	client                                     server
//	RegistrationStart  ── request ───────────> Limiter.Admit
//	                  <───────── response ──   Server.RegistrationResponse
//	     Finish        ── record ────────────> CheckRecord, Limiter.Succeeded
//
//	LoginStart         ── KE1 ───────────────> Limiter.Admit
//	                  <──── KE2, cookie ────   Server.Respond
//	     Finish        ── KE3, cookie ───────> Server.Finish, Limiter.Succeeded
//
// The server keeps nothing between the two login messages: its state travels in
// the cookie, sealed, and any server that holds the same Secrets may finish.
//
// The RFC's credential_identifier and client_identity are both the account's
// identifier, so that a record answers for no other account. The server_identity
// is the server's public key, the RFC's default. What else both sides must agree
// on, the cluster key and the client's peer ID, goes into the RFC's context (see
// [Context]), where it may change without making anybody's record useless.
//
// The package is pure: bytes in, bytes out; time is an argument, and fresh keys
// and nonces from crypto/rand are the only thing it takes from the outside. It
// stores no record, opens no connection, and knows no rule for what makes a good
// password or the same password (Unicode normalisation is the caller's). Servers
// call its server half; nodes reach its client half through rendezvous/client.
package auth
