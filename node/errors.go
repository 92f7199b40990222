package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// Code names a kind of failure for programs; the names are those of the JSON
// output and are only ever added to.
type Code string

// The codes of errors that a node reports.
const (
	CodeUsage         Code = "usage"
	CodeNotLoggedIn   Code = "not_logged_in"
	CodeLoggedIn      Code = "logged_in"
	CodeBadName       Code = "bad_name"
	CodeNameTaken     Code = "name_taken"
	CodeWrongPassword Code = "wrong_password"
	CodeNoAccount     Code = "no_account"
	CodeNoGroup       Code = "no_group"
	CodeGroupTaken    Code = "group_taken"
	CodeNotMember     Code = "not_member"
	CodeAlreadyMember Code = "already_member"
	CodeFull          Code = "full"
	CodeTooLong       Code = "too_long"
	CodeNoMessage     Code = "no_message"
	CodeNoFile        Code = "no_file"
	CodeFileFailed    Code = "file_failed"
	CodeOffline       Code = "offline"
	CodeNoQuorum      Code = "no_quorum"
	CodeTooMany       Code = "too_many"
	CodeIdentity      Code = "identity_changed"
	CodeForked        Code = "forked"
	CodeMismatch      Code = "mismatch"
	CodeDisk          Code = "disk_failed"
	CodeBusy          Code = "busy"
	CodeRefused       Code = "refused"
	CodeBlocked       Code = "blocked"
	CodeInvitation    Code = "invitation"
	CodeInterrupted   Code = "interrupted"
	CodeInternal      Code = "internal"
)

// Error is a failure in a person's words: what happened and why, and what to
// do next.
type Error struct {
	Code    Code
	Message string // one sentence
	Hint    string // one sentence, may be empty
	cause   error
}

// Error returns message and hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " " + e.Hint
}

// Unwrap returns what lies beneath, for errors.Is.
func (e *Error) Unwrap() error { return e.cause }

func fail(code Code, cause error, hint, message string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(message, args...), Hint: hint, cause: cause}
}

// explain turns any error into one that a person can read. doing completes
// "could not …".
func explain(err error, doing string) *Error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, wire.ErrTooMany):
		return fail(CodeTooMany, err, "Wait a little and try again.", "Could not %s: %s.", doing, cmp.Or(wire.Words(err), "there were too many attempts"))
	case errors.Is(err, wire.ErrUnavailable):
		return fail(CodeNoQuorum, err, "Try again in a moment; if it stays so, tell the people who run the servers.", "Could not %s: too few rendezvous servers are running to agree on it.", doing)
	case errors.Is(err, wire.ErrNotLoggedIn):
		return fail(CodeNotLoggedIn, err, "Type: login <username+rollnumber> <password>", "Could not %s: the servers do not know this device.", doing)
	case errors.Is(err, store.ErrFailed):
		return fail(CodeDisk, err, "Make sure that the disk has room and is in order, then start tryst again.", "Could not %s: this device's disk does not take it.", doing)
	case errors.Is(err, store.ErrNoSpace):
		return fail(CodeDisk, err, fmt.Sprintf("Make room: everything goes on when %d MiB are free.", store.MinFree>>20), "Could not %s: this device's disk is nearly full.", doing)
	case errors.Is(err, client.ErrUncertified):
		return fail(CodeRefused, err, "Check the balancer's address; a cluster that was set up anew needs another home.", "Could not %s: what answers there does not belong to the cluster that this home knows.", doing)
	case errors.Is(err, client.ErrOffline), errors.Is(err, context.DeadlineExceeded):
		return fail(CodeOffline, err, "Check that the balancer's address is right and that it is running, then try again.", "Could not %s: no rendezvous server answered in time.", doing)
	default:
		return fail(CodeInternal, err, "Try again; with --log FILE the reason is written down.", "Could not %s: %v.", doing, err)
	}
}
