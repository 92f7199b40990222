package rendezvous

import "context"

// Propose has a command replicated without a request, as a measure of what
// requests cost.
func (s *Server) Propose(ctx context.Context, command []byte) error {
	_, _, err := s.cluster.Propose(ctx, command)
	return err
}
