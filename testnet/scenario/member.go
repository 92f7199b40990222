package scenario

import (
	"context"
	"fmt"
	"strings"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/scenario/check"
)

// create creates a group.
func (d *device) create(ctx context.Context, group string) error {
	d.stage.record.add(check.Step{Device: d.label, Kind: check.Joining, Conversation: "#" + group})
	_, err := d.do(ctx, "create "+group, of("created"))
	return err
}

// join joins a group.
func (d *device) join(ctx context.Context, group string) error {
	d.stage.record.add(check.Step{Device: d.label, Kind: check.Joining, Conversation: "#" + group})
	_, err := d.do(ctx, "join "+group, about("joined", d.account, group))
	return err
}

// leave leaves a group.
func (d *device) leave(ctx context.Context, group string) error {
	d.stage.record.add(check.Step{Device: d.label, Kind: check.Leaving, Conversation: "#" + group, Account: d.account})
	_, err := d.do(ctx, "leave "+group, about("left", d.account, group))
	return err
}

// remove takes an account out of a group.
func (d *device) remove(ctx context.Context, account, group string) error {
	d.stage.record.add(check.Step{Device: d.label, Kind: check.Leaving, Conversation: "#" + group, Account: account})
	_, err := d.do(ctx, "remove "+account+" "+group, about("removed", account, group))
	return err
}

// about matches events of a kind about an account in a group.
func about(kind, account, group string) func(testnet.Event) bool {
	return func(e testnet.Event) bool { return e.Event == kind && e.Account == account && e.Group == group }
}

// knows waits until the device knows who is in a group.
func (d *device) knows(ctx context.Context, group string, accounts ...string) error {
	for range tries {
		e, err := d.do(ctx, "members "+group, of("members"))
		if err != nil {
			return err
		}
		missing := accounts[:0:0]
		for _, account := range accounts {
			if !memberOf(e, account) {
				missing = append(missing, account)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		if err := sleep(ctx, retryDelay); err != nil {
			return err
		}
	}
	return fmt.Errorf("scenario: %s does not know all of %s in %s", d.label, strings.Join(accounts, ", "), group)
}

func memberOf(e testnet.Event, account string) bool {
	for _, m := range e.Members {
		if m.Account == account {
			return true
		}
	}
	return false
}
