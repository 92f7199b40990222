package linear

import (
	"testing"

	"github.com/tryst-chat/tryst/testnet/harness/programs"
)

// Whichever machine is killed, no request fails: clients ask elsewhere, or wait until
// there is somebody to ask. Where there are two balancers nobody waits for one that is
// dead.
func TestNoRequestFails(t *testing.T) {
	if testing.Short() {
		t.Skip("each takes half a minute")
	}
	for name, plan := range map[string]Plan{
		"one balancer":  {Rounds: []Kill{KillLeader, KillServer, KillServer, KillServer, KillBalancer, KillLeader}},
		"two balancers": {Rounds: []Kill{KillBalancer, KillBalancer, KillLeader, KillBalancer}, Balancers: 2},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Fail(t.Context(), Options{Seed: *seed, Bin: built.Bin(t), Progress: programs.Log{TB: t}}, plan)
			if err != nil {
				t.Fatal(err)
			}
			f.Print(programs.Log{TB: t})
			if len(f.Failed) > 0 {
				t.Errorf("%d of %d requests failed", len(f.Failed), f.Requests)
			}
		})
	}
}
