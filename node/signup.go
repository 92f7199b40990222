package node

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tryst-chat/tryst/node/account"
	"github.com/tryst-chat/tryst/node/key"
	"github.com/tryst-chat/tryst/node/store"
	"github.com/tryst-chat/tryst/rendezvous/client"
	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

const (
	// registerTimeout bounds one attempt, and asking for the terms: what a server may take
	// for one request, with the password's cost and time to find another server. The work
	// in between has none but the caller's.
	registerTimeout = wire.RequestTimeout + 5*time.Second
	// termsTries is how often a sign-up tries to meet the terms: they may change once
	// while it works, and the work may come too late once.
	termsTries = 3
	// workBurst is how many hashes are computed before the node looks whether the person
	// still wants it: some milliseconds on a computer, thirty on a slow phone.
	workBurst = 1 << 15
)

// registrant is a device that signs up.
type registrant struct {
	cfg        *Config
	link       *link
	account    record.Account
	name, roll string
	password   []byte
	invitation string // as client.Invitation.Text has it; empty: none
	emit       func(Event)
	quit       <-chan struct{} // closed when the node is being closed

	vault account.Vault // of the last attempt
	entry []byte        // and its device entry
}

// signUp creates an account with this device as its first. A crash between the
// account's making and the store's leaves an account whose first device is gone;
// the next login adds another.
func signUp(ctx context.Context, cfg *Config, name, roll string, password []byte, invitation string, emit func(Event), quit <-chan struct{}) (record.Account, error) {
	a, err := record.NewAccount(name, roll)
	if err != nil {
		return "", badName(err)
	}
	taken := fail(CodeNameTaken, wire.ErrNameTaken, "Choose another username or roll number, or log in.", "The account %s is taken.", a)
	if store.Exists(accountDir(cfg, a)) {
		return "", taken
	}
	if invitation, err = readInvitation(invitation); err != nil {
		return "", err
	}
	me := store.Device{Key: key.NewDevice(), DH: key.NewDH(), Account: a}
	l, err := openLink(ctx, cfg, me.Key)
	if err != nil {
		return "", err
	}
	r := &registrant{cfg: cfg, link: l, account: a, name: name, roll: roll, password: password, invitation: invitation, emit: emit, quit: quit}
	err = r.enter(ctx)
	cluster := l.client.ClusterKey()
	if err := errors.Join(err, l.close()); errors.Is(err, wire.ErrNameTaken) {
		return "", taken
	} else if err != nil {
		return "", explain(err, "sign up")
	}
	if err := meetCluster(cfg, cluster, emit); err != nil {
		return "", explain(err, fmt.Sprintf("keep %s on this device, although the account was made", a))
	}
	me.Enrolled = true
	if err := createStore(cfg, me, password, r.vault.Identity.Public(), [][]byte{r.entry}); err != nil {
		return "", explain(err, fmt.Sprintf("keep %s on this device, although the account was made", a))
	}
	return a, nil
}

// readInvitation brings a code into its one form. A mistake in typing is found here,
// before anybody is asked.
func readInvitation(typed string) (string, error) {
	if typed == "" {
		return "", nil
	}
	code, err := client.ParseInvitation(typed)
	if err != nil {
		return "", fail(CodeInvitation, err, "Compare it with what you were given, letter by letter: it has six groups of four.", "The invitation is mistyped.")
	}
	return code.Text(), nil
}

// enter makes the account, on whatever terms there are. They are asked for when the
// servers have said that they are not met, so that it costs nothing where they are open.
func (r *registrant) enter(ctx context.Context) error {
	pass := client.Pass{Invitation: r.invitation}
	for tries := 0; ; tries++ {
		err := r.register(ctx, pass)
		switch {
		case errors.Is(err, wire.ErrInvitation):
			return fail(CodeInvitation, err, "If it was you who used it, log in; otherwise ask for another one.", "The servers do not take this invitation: it was used before, has expired, or is another cluster's.")
		case !errors.Is(err, wire.ErrTerms):
			return err
		case tries == termsTries:
			return fail(CodeBusy, err, "Try again in a moment; if it stays so, tell the people who run the servers.", "The servers did not take what they had asked for before the sign-up.")
		}
		if pass, err = r.meetTerms(ctx); err != nil {
			return err
		}
	}
}

// register makes the account with what the terms ask for.
func (r *registrant) register(ctx context.Context, pass client.Pass) error {
	ctx, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	_, err := r.link.client.SignUpWith(ctx, pass, r.name, r.roll, r.password, func(a record.Account, export client.ExportKey) (client.Enrolment, error) {
		r.vault = account.Vault{Identity: key.NewIdentity(), Sync: key.NewSync()}
		sealed, err := account.SealVault(export.Bytes(), r.vault)
		r.entry = firstEntry(r.cfg, a, r.vault.Identity, r.link.host.ID())
		return client.Enrolment{Vault: sealed, Identity: r.vault.Identity.Public().Bytes(), Device: r.entry}, err
	})
	return err
}

// meetTerms asks for the terms and does what they ask for.
func (r *registrant) meetTerms(ctx context.Context) (client.Pass, error) {
	asking, cancel := context.WithTimeout(ctx, registerTimeout)
	defer cancel()
	asked, err := r.link.client.Terms(asking)
	switch {
	case errors.Is(err, client.ErrTooMuchWork):
		return client.Pass{}, fail(CodeRefused, err, "Tell the people who run them.", "These servers ask for more work before a sign-up than this program does.")
	case err != nil:
		return client.Pass{}, err
	case asked.Invitation && r.invitation == "":
		return client.Pass{}, fail(CodeInvitation, wire.ErrTerms, "Ask the people who run them for one, then type: sign up <username> <rollnumber> <password> --invitation <code>",
			"These servers take new people by invitation only.")
	case asked.Bits == 0:
		return asked.Pass(nil, r.invitation), nil
	}
	work, err := r.link.client.Work(asked, r.account)
	if err != nil {
		return client.Pass{}, err
	}
	if err := r.labour(ctx, work, asked.Bits); err != nil {
		return client.Pass{}, err
	}
	return asked.Pass(work, r.invitation), nil
}

// labour does the work, on one core: whoever floods a cluster uses all of them anyway,
// and a person's other programs go on.
func (r *registrant) labour(ctx context.Context, work *client.Work, bits int) error {
	progress := Event{Kind: EventWork, Account: r.account, Total: client.WorkParts}
	began := time.Now()
	done := work.Try(workBurst)
	all := time.Duration(float64(time.Since(began)) * math.Exp2(float64(bits)) / workBurst)
	first := progress
	first.Text = "This cluster asks for some work before a sign-up; about " + seconds(all) + "."
	r.emit(first)
	for shown := 0; !done; {
		switch err := ctx.Err(); {
		case r.closing():
			return errClosed
		case errors.Is(err, context.Canceled):
			return fail(CodeInterrupted, err, "Type the command again when there is time for it.", "The work before the sign-up was broken off, and no account was made.")
		case err != nil:
			return fail(CodeBusy, err, "Try again when this device has less to do.", "The work before the sign-up took this device too long.")
		}
		done = work.Try(workBurst)
		if now := work.Done(); now > shown && !done {
			shown, progress.Done = now, int64(now)
			r.emit(progress)
		}
	}
	progress.Done = client.WorkParts
	r.emit(progress)
	return nil
}

func (r *registrant) closing() bool {
	select {
	case <-r.quit:
		return true
	default:
		return false
	}
}

// seconds is a time for a person, in whole seconds.
func seconds(d time.Duration) string {
	if n := int(math.Ceil(d.Seconds())); n > 1 {
		return fmt.Sprintf("%d seconds", n)
	}
	return "a second"
}
