package terms

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// Code is an invitation: good for one sign-up. It prints as "[invitation]" under
// every verb of fmt; Text is what is given to a person.
type Code struct {
	random [randomSize]byte
	_      [0]func() // not comparable with ==
}

// ErrCode is returned for what cannot be an invitation: it was mistyped.
var ErrCode = errors.New("this is no invitation")

// letters is Crockford's alphabet: no I, L, O and U.
var letters = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewCode makes a code.
func NewCode() Code {
	var c Code
	rand.Read(c.random[:]) // never fails
	return c
}

// ParseCode reads what Text wrote, as a person may type it: in any case, with or
// without hyphens and blanks, and with the letters I, L and O for the digits that look
// like them. It fails with ErrCode, and its error shows nothing of the code.
func ParseCode(typed string) (Code, error) {
	if len(typed) > maxTyped {
		return Code{}, fmt.Errorf("%w: it is too long", ErrCode)
	}
	plain := strings.Map(canonical, typed)
	raw, err := letters.DecodeString(plain)
	if err != nil || len(plain) != codeSize {
		return Code{}, fmt.Errorf("%w: it has not the form of one", ErrCode)
	}
	c := Code{random: [randomSize]byte(raw)}
	check := c.check()
	if subtle.ConstantTimeCompare(check[:], raw[randomSize:]) != 1 {
		return Code{}, fmt.Errorf("%w: a letter is wrong", ErrCode)
	}
	return c, nil
}

// canonical is how a letter that was typed stands in the alphabet; -1 for what only
// groups letters.
func canonical(r rune) rune {
	switch r {
	case '-', ' ', '\t':
		return -1
	case 'o', 'O':
		return '0'
	case 'i', 'I', 'l', 'L':
		return '1'
	}
	if 'a' <= r && r <= 'z' {
		return r - 'a' + 'A'
	}
	if r == '\r' || r == '\n' {
		return '?' // else base32 would pass over it
	}
	return r
}

// Text returns the code as it is given to a person, like
// "7K3M-9QXT-2V8B-HC4D-N5RW-0EFG".
func (c Code) Text() string {
	check := c.check()
	plain := letters.EncodeToString(append(c.random[:], check[:]...))
	var out strings.Builder
	for i := 0; i < len(plain); i += group {
		if i > 0 {
			out.WriteByte('-')
		}
		out.WriteString(plain[i : i+group])
	}
	return out.String()
}

// Hash returns what servers know the code by. It needs no salt and no slow hash: who
// has it would have to try 2^104 codes.
func (c Code) Hash() [HashSize]byte {
	return sha256.Sum256(append([]byte("tryst/invitation/1"), c.random[:]...))
}

func (c Code) check() [checkSize]byte {
	sum := sha256.Sum256(append([]byte("tryst/invitation-check/1"), c.random[:]...))
	return [checkSize]byte(sum[:])
}

// Format implements fmt.Formatter.
func (Code) Format(s fmt.State, _ rune) { fmt.Fprint(s, "[invitation]") }
