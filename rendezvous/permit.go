package rendezvous

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// getPermit vouches to the balancers for the device that asks, and for no
// other.
func (s *Server) getPermit(_ context.Context, c caller, _ *pb.GetPermit) (*pb.Response, error) {
	key, err := s.cfg.Server.Key.Raw()
	if err != nil {
		return nil, fmt.Errorf("rendezvous: this server's key: %w", err)
	}
	permit := record.Permit{Device: c.device, Until: time.Now().Add(record.PermitLifetime)}
	return &pb.Response{Kind: &pb.Response_Permit{Permit: &pb.Permit{
		Permit:      permit.Sign(signer(key)),
		Certificate: s.cfg.Server.Certificate,
	}}}, nil
}

// signer lets the server's key sign records.
type signer ed25519.PrivateKey

var _ record.Signer = signer(nil)

func (s signer) Sign(message []byte) []byte { return ed25519.Sign(ed25519.PrivateKey(s), message) }
