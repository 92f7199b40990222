package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/directory"
	"github.com/tryst-chat/tryst/rendezvous/quota"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// startRegistration is the first half of a sign-up. It refuses a name that is
// taken, and must: for an account that exists the answer would let its receiver
// test a guess at the password. Hence the barrier, too. For a free name it counts
// as a guess: the OPRF's key depends on the name alone, so that answers without
// end would be guesses made ahead at the password of whoever takes it.
func (s *Server) startRegistration(ctx context.Context, c caller, m *pb.StartRegistration) (*pb.Response, error) {
	account, err := record.NewAccount(m.GetName(), m.GetRoll())
	if err != nil {
		return nil, badRequest(err)
	}
	if _, err := s.meets(ctx, c, account, m.GetPass()); err != nil {
		return nil, err
	}
	if err := s.cluster.Barrier(ctx); err != nil {
		return nil, err
	}
	switch _, err := s.cluster.Directory().Credentials(account); {
	case err == nil:
		return nil, wire.ErrNameTaken
	case !errors.Is(err, wire.ErrNoAccount):
		return nil, err
	}
	if err := s.guesses.admit(s.guess(account, c), time.Now()); err != nil {
		return nil, err
	}
	rise, err := s.bench.sit(ctx)
	if err != nil {
		return nil, err
	}
	response, err := s.auth.RegistrationResponse(string(account), m.GetRequest())
	rise()
	if err != nil {
		return nil, badRequest(err)
	}
	return &pb.Response{Kind: &pb.Response_Registration{Registration: &pb.Registration{Response: response}}}, nil
}

// signUp is the second half. The device of the first entry must be the one
// that asks: nobody signs somebody else up.
func (s *Server) signUp(ctx context.Context, c caller, m *pb.SignUp) (*pb.Response, error) {
	account, err := record.NewAccount(m.GetName(), m.GetRoll())
	if err != nil {
		return nil, badRequest(err)
	}
	pass, err := s.meets(ctx, c, account, m.GetPass())
	if err != nil {
		return s.signedUpBefore(account, m, err)
	}
	if err := auth.CheckRecord(m.GetOpaqueRecord()); err != nil {
		return nil, badRequest(err)
	}
	if len(m.GetVault()) > wire.MaxVault {
		return nil, fmt.Errorf("vault of %d bytes: %w", len(m.GetVault()), wire.ErrTooLarge)
	}
	rise, err := s.bench.sit(ctx)
	if err != nil {
		return nil, err
	}
	log, err := record.VerifyDeviceLog(account, m.GetIdentity(), [][]byte{m.GetDevice()})
	rise()
	if err != nil {
		return nil, badRequest(err)
	}
	if !log.Has(c.device) {
		return nil, fmt.Errorf("%w: the first device must sign up itself", wire.ErrRefused)
	}
	if err := s.allowed.signUps.take(struct{}{}, 1); err != nil {
		return nil, err
	}
	guess := s.guess(account, c) // as it was admitted, before there is an account
	_, index, err := s.cluster.Propose(ctx, directory.SignUp(account, m.GetOpaqueRecord(), m.GetVault(), m.GetIdentity(), m.GetDevice(), pass))
	if err != nil {
		return nil, err
	}
	s.guesses.succeeded(guess)
	return done(index), nil
}

// startLogin answers a KE1. An account that does not exist gets an answer that
// looks the same and takes the same way: the barrier stands before every login
// since only it tells "not here yet" from "not there", and it must not take
// longer for one of them.
func (s *Server) startLogin(ctx context.Context, c caller, m *pb.StartLogin) (*pb.Response, error) {
	account, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return nil, badRequest(err)
	}
	if err := s.cluster.Barrier(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	if err := s.guesses.admit(s.guess(account, c), now); err != nil {
		return nil, err
	}
	credentials, err := s.credentials(account)
	if err != nil {
		return nil, err
	}
	rise, err := s.bench.sit(ctx)
	if err != nil {
		return nil, err
	}
	ke2, cookie, err := s.auth.Respond(string(account), credentials.OpaqueRecord, m.GetKe1(), s.binding(c, credentials), now)
	rise()
	if errors.Is(err, auth.ErrUnacceptableCost) {
		return nil, err // the stored record is damaged: not the asker's fault
	}
	if err != nil {
		return nil, badRequest(err)
	}
	return &pb.Response{Kind: &pb.Response_Login{Login: &pb.Login{Ke2: ke2, Cookie: cookie}}}, nil
}

// finishLogin checks a KE3, whichever server made the KE2, and hands out the
// vault.
func (s *Server) finishLogin(ctx context.Context, c caller, m *pb.FinishLogin) (*pb.Response, error) {
	account, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return nil, badRequest(err)
	}
	credentials, err := s.credentials(account)
	if err != nil {
		return nil, err
	}
	rise, err := s.bench.sit(ctx)
	if err != nil {
		return nil, err
	}
	_, err = s.auth.Finish(string(account), m.GetKe3(), m.GetCookie(), s.binding(c, credentials), time.Now())
	rise()
	switch {
	case errors.Is(err, auth.ErrWrongPassword):
		return nil, wire.ErrWrongPassword
	case errors.Is(err, auth.ErrCookie), errors.Is(err, auth.ErrCookieExpired):
		// Too slow, or the credentials have another version here than where the
		// login began: it has to begin again.
		return nil, fmt.Errorf("%w: %w", wire.ErrConflict, err)
	case err != nil:
		return nil, badRequest(err)
	}
	found, err := s.cluster.Directory().Account(account)
	if errors.Is(err, wire.ErrNoAccount) {
		return nil, wire.ErrWrongPassword // nobody can finish such a login, and if, learns nothing
	}
	if err != nil {
		return nil, err
	}
	s.guesses.succeeded(s.guess(account, c))
	return &pb.Response{Kind: &pb.Response_Vault{Vault: &pb.Vault{
		Vault: credentials.Vault, Account: accountToWire(account, found),
	}}}, nil
}

// appendDevice takes an entry from anybody: the identity key's signature, or
// the device's own under its revocation, is what counts. But a device adds only
// itself, since a device key belongs to one account for ever: nobody else may
// spend it. What nobody of the account has signed is no command: strangers could make
// as many as they like.
func (s *Server) appendDevice(ctx context.Context, c caller, m *pb.AppendDevice) (*pb.Response, error) {
	account, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return nil, badRequest(err)
	}
	entry, err := record.ParseDeviceEntry(m.GetEntry())
	if err != nil {
		return nil, badRequest(err)
	}
	if entry.Op == record.AddDevice && entry.Device != c.device {
		return nil, fmt.Errorf("%w: a device adds itself", wire.ErrRefused)
	}
	if err := s.checkEntry(ctx, account, entry, m.GetEntry()); err != nil {
		return nil, err
	}
	resp, err := s.propose(ctx, caller{c.device, account}, directory.AppendDevice(account, m.GetEntry()))
	if err == nil && entry.Op == record.RevokeDevice {
		s.forgetGroupMail(ctx, account, entry.Device)
	}
	return resp, err
}

// checkEntry refuses an entry that neither the account's identity key has signed nor a
// device that it has had. Whether it fits into the log is for the directory to say.
func (s *Server) checkEntry(ctx context.Context, account record.Account, entry record.DeviceEntry, signed []byte) error {
	for fresh := false; ; fresh = true {
		found, err := s.cluster.Directory().Account(account)
		if err != nil && !errors.Is(err, wire.ErrNoAccount) {
			return err
		}
		if err == nil {
			rise, err := s.bench.sit(ctx)
			if err != nil {
				return err
			}
			_, err = found.Log.Append(signed)
			rise()
			switch {
			case errors.Is(err, record.ErrSignature), errors.Is(err, record.ErrMalformed):
				return badRequest(err)
			case err == nil, entry.Op == record.AddDevice, found.Log.HadEver(entry.Device):
				return nil
			}
		}
		if fresh && err != nil {
			return err
		}
		if fresh {
			return fmt.Errorf("%w: no such device", wire.ErrRefused)
		}
		if err := s.cluster.Barrier(ctx); err != nil {
			return err
		}
	}
}

// lookUp says that an account does not exist only after a barrier: it may have
// been made a moment ago at another server, by somebody who told the asker.
func (s *Server) lookUp(ctx context.Context, c caller, m *pb.LookUp) (*pb.Response, error) {
	account, err := record.ParseAccount(m.GetAccount())
	if err != nil {
		return nil, badRequest(err)
	}
	if err := s.allowed.listing.take(c.account, 1); err != nil {
		return nil, err
	}
	found, err := s.cluster.Directory().Account(account)
	if errors.Is(err, wire.ErrNoAccount) {
		if err := s.cluster.Barrier(ctx); err != nil {
			return nil, err
		}
		found, err = s.cluster.Directory().Account(account)
	}
	if err != nil {
		return nil, err
	}
	return &pb.Response{Kind: &pb.Response_Account{Account: accountToWire(account, found)}}, nil
}

// credentials returns an account's credentials, the zero value for an account
// that does not exist.
func (s *Server) credentials(account record.Account) (directory.Credentials, error) {
	credentials, err := s.cluster.Directory().Credentials(account)
	if errors.Is(err, wire.ErrNoAccount) {
		return directory.Credentials{}, nil
	}
	return credentials, err
}

func (s *Server) binding(c caller, credentials directory.Credentials) auth.Binding {
	return auth.Binding{
		ClusterKey:    s.cfg.Server.ClusterKey,
		Peer:          []byte(c.device),
		RecordVersion: credentials.Version,
	}
}

func (s *Server) guess(account record.Account, c caller) auth.Guess {
	found, err := s.cluster.Directory().Account(account)
	return auth.Guess{Account: string(account), Device: string(c.device), Enrolled: err == nil && found.Log.Has(c.device)}
}

func accountToWire(account record.Account, found directory.Account) *pb.AccountRecord {
	return &pb.AccountRecord{Account: string(account), Identity: found.Identity, Devices: found.Devices}
}

// badRequest marks what is the client's fault.
func badRequest(err error) error { return fmt.Errorf("%w: %w", wire.ErrBadRequest, err) }

// guesses is the limiter of password guesses, for many goroutines.
type guesses struct {
	mu      sync.Mutex
	limiter *auth.Limiter
}

func (g *guesses) admit(guess auth.Guess, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := g.limiter.Admit(guess, now)
	switch {
	case wait == 0:
		return nil
	case g.limiter.ForAccount(guess, now):
		return &refused{quota.AccountPasswords, wait}
	default:
		return &refused{quota.DevicePasswords, wait}
	}
}

func (g *guesses) succeeded(guess auth.Guess) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limiter.Succeeded(guess)
}
