package client

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/auth"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// Account is what the directory says of an account: its identity key, which
// the caller must compare with the one that it pinned, and the device log that
// verifies under that key.
type Account struct {
	Name     record.Account
	Identity ed25519.PublicKey
	Log      record.DeviceLog
	Signed   [][]byte // the log's entries as they were signed
}

// ExportKey is what a password yields besides the proof of itself; no server
// knows it.
type ExportKey = auth.ExportKey

// Enrolment is what a node makes of a password's export key at sign-up.
type Enrolment struct {
	Vault    []byte            // sealed under the export key, at most wire.MaxVault bytes
	Identity ed25519.PublicKey // the account's, 32 bytes
	Device   []byte            // signed record.DeviceEntry: this device, the first
}

// SignUp creates an account on open terms. enrol is called once, with the key that only
// the password yields; nothing has been created before it returns. SignUp returns
// record.ErrName for a name that no account can have and wire.ErrNameTaken, and
// wire.ErrTerms where the cluster asks for something: see SignUpWith. It spends about
// 0.2 s and 64 MiB on Argon2id.
func (c *Client) SignUp(ctx context.Context, name, roll string, password []byte, enrol func(record.Account, ExportKey) (Enrolment, error)) (record.Account, error) {
	return c.SignUpWith(ctx, Pass{}, name, roll, password, enrol)
}

// SignUpWith is SignUp with what the terms ask for. It returns wire.ErrTerms if that is
// not it, before it spends anything on the password, and wire.ErrInvitation for one that
// was used or has expired. A sign-up that fails leaves its invitation as it is.
func (c *Client) SignUpWith(ctx context.Context, pass Pass, name, roll string, password []byte, enrol func(record.Account, ExportKey) (Enrolment, error)) (record.Account, error) {
	account, err := record.NewAccount(name, roll)
	if err != nil {
		return "", err
	}
	registration, request, err := auth.RegistrationStart(password)
	if err != nil {
		return "", fmt.Errorf("sign up: %w", err)
	}
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_StartRegistration{
		StartRegistration: &pb.StartRegistration{Name: name, Roll: roll, Request: request, Pass: pass.toWire()},
	}})
	if err != nil {
		return "", err
	}
	opaqueRecord, export, err := registration.Finish(resp.GetRegistration().GetResponse(), string(account))
	if err != nil {
		return "", fmt.Errorf("sign up: %w: %w", ErrForged, err)
	}
	enrolment, err := enrol(account, export)
	if err != nil {
		return "", fmt.Errorf("sign up: %w", err)
	}
	err = c.do(ctx, &pb.Request{Kind: &pb.Request_SignUp{SignUp: &pb.SignUp{
		Name: name, Roll: roll, OpaqueRecord: opaqueRecord,
		Vault: enrolment.Vault, Identity: enrolment.Identity, Device: enrolment.Device, Pass: pass.toWire(),
	}}})
	if err != nil {
		return "", err
	}
	return account, nil
}

// LoginResult is what a password opens.
type LoginResult struct {
	Account Account
	Vault   []byte    // sealed under Export
	Export  ExportKey // from the password alone; no server knows it
}

// Login proves the password of an account and fetches its vault. The device
// is logged in once its entry is in the device log (AppendDevice), which takes
// the identity key from the vault. Login returns wire.ErrWrongPassword for a
// wrong password and an unknown account alike, and wire.ErrTooMany. It spends
// about 0.2 s and 64 MiB on Argon2id.
func (c *Client) Login(ctx context.Context, account record.Account, password []byte) (LoginResult, error) {
	login, ke1, err := auth.LoginStart(password)
	if err != nil {
		return LoginResult{}, fmt.Errorf("log in: %w", err)
	}
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_StartLogin{
		StartLogin: &pb.StartLogin{Account: string(account), Ke1: ke1},
	}})
	if err != nil {
		return LoginResult{}, err
	}
	binding := auth.Context(c.ClusterKey(), []byte(c.host.ID()))
	ke3, _, export, err := login.Finish(resp.GetLogin().GetKe2(), binding, string(account))
	if errors.Is(err, auth.ErrWrongPassword) {
		return LoginResult{}, wire.ErrWrongPassword
	}
	if err != nil {
		return LoginResult{}, fmt.Errorf("log in: %w: %w", ErrForged, err)
	}
	resp, err = c.ask(ctx, &pb.Request{Kind: &pb.Request_FinishLogin{
		FinishLogin: &pb.FinishLogin{Account: string(account), Ke3: ke3, Cookie: resp.GetLogin().GetCookie()},
	}})
	if err != nil {
		return LoginResult{}, err
	}
	found, err := accountFromWire(account, resp.GetVault().GetAccount())
	if err != nil {
		return LoginResult{}, fmt.Errorf("log in: %w", err)
	}
	return LoginResult{Account: found, Vault: resp.GetVault().GetVault(), Export: export}, nil
}

// AppendDevice appends a signed device entry to an account's log: this device
// after a login, or a revocation. The entry proves itself, so that a device
// that is not logged in may send it. It returns wire.ErrConflict when another
// entry was first and wire.ErrRefused for what the log does not allow.
func (c *Client) AppendDevice(ctx context.Context, account record.Account, entry []byte) error {
	return c.do(ctx, &pb.Request{Kind: &pb.Request_AppendDevice{
		AppendDevice: &pb.AppendDevice{Account: string(account), Entry: entry},
	}})
}

// LookUp returns an account as the directory knows it, or wire.ErrNoAccount.
func (c *Client) LookUp(ctx context.Context, account record.Account) (Account, error) {
	resp, err := c.ask(ctx, &pb.Request{Kind: &pb.Request_LookUp{LookUp: &pb.LookUp{Account: string(account)}}})
	if err != nil {
		return Account{}, err
	}
	return accountFromWire(account, resp.GetAccount())
}

// accountFromWire believes an account's record when it is the one asked for
// and its log verifies.
func accountFromWire(asked record.Account, r *pb.AccountRecord) (Account, error) {
	if r.GetAccount() != string(asked) {
		return Account{}, fmt.Errorf("%w: another account", ErrForged)
	}
	log, err := record.VerifyDeviceLog(asked, r.GetIdentity(), r.GetDevices())
	if err != nil {
		return Account{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	return Account{Name: asked, Identity: bytes.Clone(r.GetIdentity()), Log: log, Signed: r.GetDevices()}, nil
}
