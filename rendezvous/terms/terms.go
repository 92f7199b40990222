package terms

import (
	"errors"
	"fmt"
)

// Terms is on what people sign up. The zero value is open: nothing is asked.
type Terms struct {
	Invitation bool // a code that was given out, and not used yet
	Bits       int  // 2^Bits hashes of work; 0: none
}

// Open reports whether nothing is asked.
func (t Terms) Open() bool { return t == Terms{} }

// ErrTerms is returned for terms that no cluster may ask.
var ErrTerms = errors.New("these are no terms")

// Check fails with ErrTerms for a number of bits that is out of bounds.
func (t Terms) Check() error {
	if t.Bits != 0 && !possible(t.Bits) {
		return fmt.Errorf("%w: work of %d bits, and it takes from %d to %d", ErrTerms, t.Bits, MinBits, MaxBits)
	}
	return nil
}

// possible reports whether so much work may be asked for.
func possible(bits int) bool { return MinBits <= bits && bits <= MaxBits }
