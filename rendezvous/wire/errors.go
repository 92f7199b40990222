package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// The errors that cross the wire. Their codes are appended to, never
// renumbered: a code that a peer does not know reads as ErrInternal.
var (
	ErrInternal      = errors.New("the server failed")
	ErrBadRequest    = errors.New("the request is not valid")
	ErrNameTaken     = errors.New("the name is taken")
	ErrNoAccount     = errors.New("there is no such account")
	ErrWrongPassword = errors.New("account or password is wrong")
	ErrNotLoggedIn   = errors.New("this device is not logged in")
	ErrNoGroup       = errors.New("there is no such group")
	ErrGroupTaken    = errors.New("the group's name is taken")
	ErrConflict      = errors.New("somebody else was first") // fetch the head and try again
	ErrRefused       = errors.New("the rules do not allow it")
	ErrFull          = errors.New("it is full")
	ErrTooMany       = errors.New("too many attempts") // wait and try again
	ErrUnavailable   = errors.New("no quorum of servers")
	ErrSoon          = fmt.Errorf("%w for the moment", ErrTooMany) // wait a few seconds at most: also an ErrTooMany
	ErrTooLarge      = errors.New("it is too large")
	ErrNoSpace       = errors.New("the servers have no room for mail") // their disks are nearly full; they take it again when there is
)

// The terms of signing up, see package terms.
var (
	ErrTerms      = errors.New("the terms of signing up are not met") // ask for them and meet them
	ErrInvitation = errors.New("the invitation is not valid")
)

var codes = []error{
	1: ErrInternal, 2: ErrBadRequest, 3: ErrNameTaken, 4: ErrNoAccount,
	5: ErrWrongPassword, 6: ErrNotLoggedIn, 7: ErrNoGroup, 8: ErrGroupTaken,
	9: ErrConflict, 10: ErrRefused, 11: ErrFull, 12: ErrTooMany,
	13: ErrUnavailable, 14: ErrTooLarge,
	15: ErrNoSpace,
	16: ErrTerms, 17: ErrInvitation,
	18: ErrSoon,
}

// Code returns the wire code of an error: that of the sentinel in its chain, the
// newest if there are two, else ErrInternal's.
func Code(err error) uint32 {
	for code, sentinel := range slices.Backward(codes) {
		if sentinel != nil && errors.Is(err, sentinel) {
			return uint32(code)
		}
	}
	return 1
}

// ErrorOf returns the sentinel behind a code, ErrInternal for an unknown one.
func ErrorOf(code uint32) error {
	if code == 0 || int(code) >= len(codes) {
		return ErrInternal
	}
	return codes[code]
}

// ToWire converts an error; internal ones cross without their detail, which
// may name what only the operator may see.
func ToWire(err error) *pb.Error {
	e := &pb.Error{Code: Code(err)}
	if ErrorOf(e.Code) != ErrInternal {
		e.Detail = err.Error()
	}
	return e
}

// FromWire is the reverse of ToWire; nil gives nil.
func FromWire(e *pb.Error) error {
	if e == nil {
		return nil
	}
	sentinel := ErrorOf(e.GetCode())
	const maxDetail = 200 // a sentence; a server cannot make a client print more
	detail := e.GetDetail()
	if detail == "" || detail == sentinel.Error() || len(detail) > maxDetail {
		return sentinel
	}
	return &remoteError{sentinel, fmt.Sprintf("%q", detail)}
}

// remoteError keeps a server's words, quoted, beside the sentinel.
type remoteError struct {
	sentinel error
	detail   string
}

func (e *remoteError) Error() string { return e.sentinel.Error() + " (" + e.detail + ")" }

// Words returns what a server said of an error, in characters that can be printed, and
// otherwise nothing: it is for a person, and never parsed.
func Words(err error) string {
	var remote *remoteError
	if !errors.As(err, &remote) {
		return ""
	}
	return remote.detail[1 : len(remote.detail)-1] // without its quotes
}

func (e *remoteError) Unwrap() error { return e.sentinel }
