package linear

import "testing"

// Whichever machine is killed, no request fails: clients ask elsewhere, or wait until
// there is somebody to ask.
func TestNoRequestFails(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	f, err := Fail(t.Context(), Options{Seed: *seed, Bin: bin(t), Progress: logged{t}},
		[]Kill{KillLeader, KillServer, KillServer, KillServer, KillBalancer, KillLeader})
	if err != nil {
		t.Fatal(err)
	}
	f.Print(logged{t})
	if len(f.Failed) > 0 {
		t.Errorf("%d of %d requests failed", len(f.Failed), f.Requests)
	}
}
