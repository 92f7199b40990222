package rendezvous

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/terms"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// SignUps is on which terms people sign up to the cluster.
type SignUps struct {
	Invitation  bool   `json:"invitation"`
	Bits        int    `json:"bits"`        // of work, see package terms; 0: none
	Invitations uint64 `json:"invitations"` // that are out
}

// Terms returns the terms as the cluster has them now.
func (s *Server) Terms(ctx context.Context) (SignUps, error) {
	if err := s.cluster.Barrier(ctx); err != nil {
		return SignUps{}, err
	}
	asked, err := s.cluster.Directory().Terms()
	if err != nil {
		return SignUps{}, err
	}
	out, err := s.cluster.Directory().Invitations()
	return SignUps{Invitation: asked.Invitation, Bits: asked.Bits, Invitations: out}, err
}

// SetTerms says for the whole cluster on which terms people sign up from now on.
func (s *Server) SetTerms(ctx context.Context, t terms.Terms) error {
	if _, _, err := s.cluster.Propose(ctx, directory.SetTerms(t)); err != nil {
		return err
	}
	s.log.Info("people sign up on other terms from now on", "invitation", t.Invitation, "bits", t.Bits)
	return nil
}

// Invite makes invitations, 1 to directory.MaxInvite, that are good for so long. Only
// the caller has them: the servers keep hashes.
func (s *Server) Invite(ctx context.Context, count int, lifetime time.Duration) ([]terms.Code, error) {
	if count < 1 || count > directory.MaxInvite {
		return nil, fmt.Errorf("%w: from 1 to %d invitations at a time", wire.ErrBadRequest, directory.MaxInvite)
	}
	codes := make([]terms.Code, count)
	hashes := make([][terms.HashSize]byte, count)
	for i := range codes {
		codes[i] = terms.NewCode()
		hashes[i] = codes[i].Hash()
	}
	if _, _, err := s.cluster.Propose(ctx, directory.Invite(hashes, lifetime)); err != nil {
		return nil, err
	}
	s.log.Info("invitations were given out", "count", count, "good for", lifetime)
	return codes, nil
}

// RevokeInvitations takes back all that are out.
func (s *Server) RevokeInvitations(ctx context.Context) error {
	for more := true; more; {
		value, _, err := s.cluster.Propose(ctx, directory.RevokeInvitations())
		if err != nil {
			return err
		}
		if more, err = directory.ParseUnfinished(value); err != nil {
			return err
		}
	}
	s.log.Info("all invitations that were out are taken back")
	return nil
}

// handleTerms answers the operator about sign-ups.
func (s *Server) handleTerms(mux *http.ServeMux) {
	mux.HandleFunc("GET /terms", s.withinRequest(func(ctx context.Context, w http.ResponseWriter, _ *http.Request) error {
		is, err := s.Terms(ctx)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(is) // whoever asked may have gone
		return nil
	}))
	mux.HandleFunc("POST /terms", s.withinRequest(func(ctx context.Context, _ http.ResponseWriter, r *http.Request) error {
		bits, err := strconv.Atoi(r.FormValue("bits"))
		if err != nil {
			return errors.New("bits is a number")
		}
		return s.SetTerms(ctx, terms.Terms{Invitation: r.FormValue("invitation") == "yes", Bits: bits})
	}))
	mux.HandleFunc("POST /invitations", s.withinRequest(func(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
		count, err := strconv.Atoi(r.FormValue("count"))
		if err != nil {
			return errors.New("count is a number")
		}
		valid, err := time.ParseDuration(r.FormValue("valid"))
		if err != nil {
			return errors.New("valid is a duration")
		}
		codes, err := s.Invite(ctx, count, valid)
		for _, c := range codes {
			fmt.Fprintln(w, c.Text())
		}
		return err
	}))
	mux.HandleFunc("DELETE /invitations", s.withinRequest(func(ctx context.Context, _ http.ResponseWriter, _ *http.Request) error {
		return s.RevokeInvitations(ctx)
	}))
}

// withinRequest bounds what an operator's request may take, and says in a sentence what
// was wrong with it.
func (s *Server) withinRequest(do func(context.Context, http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), wire.RequestTimeout)
		defer cancel()
		err := do(ctx, w, r)
		if errors.Is(err, wire.ErrUnavailable) {
			err = errors.New("too few servers are running to agree on it; look with: rendezvous status")
		}
		answerAdmin(w, err)
	}
}
