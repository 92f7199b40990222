package auth

import (
	"fmt"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
)

// blinded is the client's half of the OPRF, between its request and the
// server's evaluation. It works once.
type blinded struct {
	redacted
	password []byte             // a copy, wiped when finished
	data     *oprf.FinalizeData // nil once finished
	stretch  stretcher
}

// randomBlind returns a fresh blind for the OPRF.
func randomBlind() group.Scalar { return ristretto.RandomNonZeroScalar(nil) }

// blindPassword returns the state and the encoded blinded element. It fails with
// ErrPasswordLength.
func blindPassword(password []byte, blind group.Scalar, stretch stretcher) (blinded, []byte, error) {
	if len(password) == 0 || len(password) > MaxPassword {
		return blinded{}, nil, ErrPasswordLength
	}
	own := append([]byte(nil), password...)
	data, request, err := oprf.NewClient(suite).DeterministicBlind([][]byte{own}, []oprf.Blind{blind})
	if err != nil { // the password hashes to the identity: nobody will find one
		return blinded{}, nil, fmt.Errorf("blind password: %w", err)
	}
	return blinded{password: own, data: data, stretch: stretch}, encodeElement(request.Elements[0]), nil
}

// randomizedPassword unblinds the server's evaluation, stretches it and returns
// the RFC's randomized_password, hashLen bytes. This is where the client's time
// goes. It fails with ErrSpent.
func (b *blinded) randomizedPassword(evaluated group.Element, k ksf) ([]byte, error) {
	if b.data == nil {
		return nil, ErrSpent
	}
	outputs, err := oprf.NewClient(suite).Finalize(b.data, &oprf.Evaluation{Elements: []oprf.Evaluated{evaluated}})
	b.spend()
	if err != nil {
		return nil, fmt.Errorf("finalize OPRF: %w", err)
	}
	output := outputs[0]
	return extract(append(output, b.stretch(k, output)...)), nil
}

// spend forgets the blind and wipes the password.
func (b *blinded) spend() {
	clear(b.password)
	b.data = nil
}
