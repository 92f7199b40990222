package client

import (
	"errors"
	"testing"

	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Terms are believed within what any cluster may ask; what asks for more gets no work.
func TestTermsThatServersShow(t *testing.T) {
	st := newStage(t, "server")
	c := st.client()
	challenge := make([]byte, terms.ChallengeSize)
	for what, test := range map[string]struct {
		answer *pb.Response
		want   error
	}{
		"nothing":                {&pb.Response{}, ErrForged},
		"open":                   {showing(&pb.Terms{}), nil},
		"an invitation":          {showing(&pb.Terms{Invitation: true}), nil},
		"the least work":         {showing(&pb.Terms{Bits: terms.MinBits, Challenge: challenge}), nil},
		"the most work":          {showing(&pb.Terms{Bits: terms.MaxBits, Challenge: challenge}), nil},
		"more":                   {showing(&pb.Terms{Bits: terms.MaxBits + 1, Challenge: challenge}), ErrTooMuchWork},
		"work without end":       {showing(&pb.Terms{Bits: 1<<32 - 1, Challenge: challenge}), ErrTooMuchWork},
		"less than there is":     {showing(&pb.Terms{Bits: terms.MinBits - 1, Challenge: challenge}), ErrForged},
		"work for no challenge":  {showing(&pb.Terms{Bits: terms.MinBits}), ErrForged},
		"work for a long letter": {showing(&pb.Terms{Bits: terms.MinBits, Challenge: make([]byte, 1<<10)}), ErrForged},
	} {
		st.servers[0].says(func(*pb.Request) *pb.Response { return test.answer })
		asked, err := c.Terms(t.Context())
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %+v, %v", what, asked, err)
		}
		if want := test.answer.GetTerms(); err == nil && (asked.Invitation != want.GetInvitation() || asked.Bits != int(want.GetBits())) {
			t.Errorf("%s: %+v", what, asked)
		}
	}
}

func showing(t *pb.Terms) *pb.Response { return &pb.Response{Kind: &pb.Response_Terms{Terms: t}} }
