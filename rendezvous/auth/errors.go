package auth

import "errors"

// What can go wrong. None of these says whether an account exists.
var (
	// ErrWrongPassword: the password is wrong or there is no such account. The
	// client cannot tell which, and neither can anybody else.
	ErrWrongPassword = errors.New("account or password is wrong")
	// ErrServerAuthentication: the password is right, but the server did not
	// prove that it holds the cluster's login key and sees the same cluster key
	// and peer: somebody in between, or a misconfigured server.
	ErrServerAuthentication = errors.New("the server could not prove that it is the right one")
	// ErrMalformed: a message, record or file of secrets cannot be decoded.
	ErrMalformed = errors.New("malformed")
	// ErrUnacceptableCost: the server asks for an unknown suite, or for less or
	// more Argon2id than the client allows.
	ErrUnacceptableCost = errors.New("the server asks for an unacceptable way to stretch the password")
	// ErrPasswordLength: the password is empty or longer than MaxPassword.
	ErrPasswordLength = errors.New("the password is empty or too long")
	// ErrArgument: an account, a context or a part of a binding is empty or too
	// long.
	ErrArgument = errors.New("empty or too long an argument")
	// ErrCookie: the cookie was not made by this cluster for this account, peer
	// and record version. After a password change in the middle of a login this
	// is the answer; the client starts again.
	ErrCookie = errors.New("this login was not started here")
	// ErrCookieExpired: the client took too long; it starts again.
	ErrCookieExpired = errors.New("this login took too long")
	// ErrSpent: a client state was finished before. It works once: its blind and
	// ephemeral key must not serve a second answer.
	ErrSpent = errors.New("this exchange was finished before")
)
