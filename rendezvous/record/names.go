package record

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrName is returned for a name that no account or group can have.
var ErrName = errors.New("record: not a possible name")

var (
	nameForm    = regexp.MustCompile(fmt.Sprintf(`^[a-z][a-z0-9_.-]{0,%d}$`, maxName-1))
	rollForm    = regexp.MustCompile(fmt.Sprintf(`^[a-z0-9]{1,%d}$`, maxRoll))
	accountForm = regexp.MustCompile(fmt.Sprintf(`^[a-z][a-z0-9_.-]{0,%d}[a-z0-9]{1,%d}$`, maxName-1, maxRoll))
	groupForm   = regexp.MustCompile(fmt.Sprintf(`^[a-z][a-z0-9_-]{0,%d}$`, maxName-1))
)

// Account is an account's identifier: name and roll number joined, in lower
// case ("alice" and "42" give "alice42"). Two pairs that join to the same
// identifier are the same account.
type Account string

// NewAccount joins a name and a roll number, either in any case.
func NewAccount(name, roll string) (Account, error) {
	name, roll = strings.ToLower(name), strings.ToLower(roll)
	if !nameForm.MatchString(name) {
		return "", fmt.Errorf("%w: a username starts with a letter and has at most %d letters, digits, '_', '.' or '-'", ErrName, maxName)
	}
	if !rollForm.MatchString(roll) {
		return "", fmt.Errorf("%w: a roll number has 1 to %d letters or digits", ErrName, maxRoll)
	}
	return Account(name + roll), nil
}

// ParseAccount reads an identifier in any case.
func ParseAccount(s string) (Account, error) {
	s = strings.ToLower(s)
	if !accountForm.MatchString(s) {
		return "", fmt.Errorf("%w: an account is written as username and roll number together, like alice42", ErrName)
	}
	return Account(s), nil
}

// GroupName is a group's name, unique in the directory, in lower case and
// without the "#" that may stand before it.
type GroupName string

// ParseGroupName reads a group's name in any case, with or without "#".
func ParseGroupName(s string) (GroupName, error) {
	s = strings.ToLower(strings.TrimPrefix(s, "#"))
	if !groupForm.MatchString(s) {
		return "", fmt.Errorf("%w: a group's name starts with a letter and has at most %d letters, digits, '_' or '-'", ErrName, maxName)
	}
	return GroupName(s), nil
}

// GroupID identifies a group for ever: 16 random bytes.
type GroupID [16]byte

// NewGroupID draws a fresh ID.
func NewGroupID() GroupID {
	var id GroupID
	rand.Read(id[:]) // never fails: crypto/rand aborts the program instead
	return id
}

// String returns the ID in hexadecimal, 32 characters.
func (id GroupID) String() string { return hex.EncodeToString(id[:]) }

func (d *decoder) account() Account {
	s := d.text(maxName + maxRoll)
	if d.err == nil && !accountForm.MatchString(s) {
		d.fail("an account's name is not canonical")
	}
	return Account(s)
}

func (d *decoder) groupName() GroupName {
	s := d.text(maxName)
	if d.err == nil && !groupForm.MatchString(s) {
		d.fail("a group's name is not canonical")
	}
	return GroupName(s)
}
