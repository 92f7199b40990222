package auth

import (
	"crypto/sha512"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/quota"
)

// Sizes in bytes, named as in RFC 9807 section 1.2 and fixed by the suite.
const (
	elementLen  = 32          // Noe, Npk: an encoded ristretto255 element
	scalarLen   = 32          // Nok, Nsk: an encoded scalar
	seedLen     = 32          // Nseed: what a key pair is derived from
	nonceLen    = 32          // Nn
	hashLen     = sha512.Size // Nh, Nx: hashes and derived keys
	macLen      = sha512.Size // Nm
	envelopeLen = nonceLen + macLen

	// maskedLen is the masked_response: the server's public key and the envelope.
	maskedLen = elementLen + envelopeLen
	// credentialLen is a CredentialResponse.
	credentialLen = elementLen + nonceLen + maskedLen

	ke1Len = elementLen + nonceLen + elementLen
	ke2Len = credentialLen + nonceLen + elementLen + macLen
)

// Sizes of the messages, in bytes, for whoever carries or stores them. Record
// and KE2 are the RFC's with the suite's header before them (see [ksf]).
const (
	RegistrationRequestSize  = elementLen
	RegistrationResponseSize = elementLen + elementLen
	RecordSize               = headerLen + elementLen + hashLen + envelopeLen
	KE1Size                  = ke1Len
	KE2Size                  = headerLen + ke2Len
	KE3Size                  = macLen
)

// What callers may pass in.
const (
	// MaxPassword bounds a password, in bytes. RFC 9497 allows 65,535; nobody
	// types more than this, and a longer one is a file passed by mistake.
	MaxPassword = 1024
	// maxAccount bounds an account's identifier, in bytes: 48 characters today,
	// and room for a longer form without a new record version.
	maxAccount = 128
	// maxContext bounds the context: a cluster key of 32 bytes and a peer ID of
	// 38, with room for other key types. The RFC allows 65,535.
	maxContext = 512
)

// The cookie that carries the server's state.
const (
	// cookieLifetime is how long a client may take from KE2 to KE3. Argon2id
	// takes 0.2 s on a laptop and some seconds on the slowest phone; the rest is
	// for a server that dies in between and a client that finds another.
	cookieLifetime = 60 * time.Second
	// cookieSkew is how far ahead the clock of the server that made a cookie
	// may be of the one that opens it.
	cookieSkew = 10 * time.Second
)

// Argon2id's cost. The defaults are RFC 9106's second recommended option, and
// the least that a client accepts: what a server sends beside KE2 can make a
// guess dearer but never cheaper. The most that it accepts keeps a server from
// exhausting the device: 256 MiB is an eighth of a small phone's memory, and all
// maxima together take about 13 times as long as the defaults, some 4 s.
const (
	defaultMemory = 64 << 10 // KiB
	defaultPasses = 3
	defaultLanes  = 4

	maxMemory = 256 << 10 // KiB
	maxPasses = 10
	maxLanes  = 16
)

// The brakes on guessing; see [Limiter].
const (
	// deviceFree is how many guesses a device has before it must wait: a person
	// who tries their few usual passwords notices nothing.
	deviceFree = quota.DeviceGuesses
	// deviceFirst and deviceMax are a device's first and longest wait. The
	// longest is long because it hits nobody else: a device's name is the peer
	// ID that its connection proved.
	deviceFirst = time.Second
	deviceMax   = quota.DeviceGuessWait

	// accountFree is how many guesses all strange devices together have.
	accountFree = quota.AccountGuesses
	// accountFirst and accountMax are the waits between strange devices'
	// guesses at one account. The longest is short because strangers can cause
	// it: at 5 s they have 17,280 guesses a day and server, and the owner on a
	// new device waits 5 s.
	accountFirst = 250 * time.Millisecond
	accountMax   = quota.AccountGuessWait

	// forgetAfter is how long a device or an account must be left alone to
	// start afresh. It must exceed the longest wait, else waiting is forgiving.
	forgetAfter = time.Hour
	// trackedKeys bounds the devices and the accounts remembered, each; at about
	// 220 bytes an entry that is 29 MB in all. Beyond it the one that was quiet
	// longest is forgotten, so that a flood of made-up names costs the flooder
	// 65,536 guesses for each account it wants forgotten.
	trackedKeys = 1 << 16
)
