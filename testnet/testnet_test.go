package testnet_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tryst-chat/tryst/testnet"
	"github.com/tryst-chat/tryst/testnet/beacon"
)

func TestConfigRefuses(t *testing.T) {
	for _, config := range []testnet.Config{
		{Servers: -1}, {Servers: 65}, {Port: -1}, {Port: 70000}, {Reach: "telepathy"}, {Bin: t.TempDir()},
	} {
		config.Dir = t.TempDir()
		if net, err := testnet.Start(t.Context(), config); err == nil {
			t.Errorf("%+v was started", config)
			net.Stop()
		}
	}
}

// A server that is frozen when everything is stopped ends in good order, too.
func TestFrozenServerIsStopped(t *testing.T) {
	t.Parallel()
	net, err := testnet.Start(t.Context(), testnet.Config{Servers: 1, Bin: suite.bin(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := net.Servers[0].Freeze(); err != nil {
		t.Error(err)
	}
	if err := net.Stop(); err != nil {
		t.Error(err)
	}
}

// A testnet in a folder comes back as it was, writes itself down, and takes no
// other number of servers.
func TestFolderIsKept(t *testing.T) {
	t.Parallel()
	config := testnet.Config{Servers: 1, Dir: t.TempDir(), Bin: suite.bin(t)}
	first, err := testnet.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	u := enter(t, first, "kept", "1")
	written, err := os.ReadFile(filepath.Join(config.Dir, "testnet.json"))
	if err != nil {
		t.Fatal(err)
	}
	var described beacon.Testnet
	if err := json.Unmarshal(written, &described); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Describe(), described); diff != "" {
		t.Error(diff)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	more := config
	more.Servers = 3
	if _, err := testnet.Start(t.Context(), more); err == nil || !strings.Contains(err.Error(), "--servers 1") {
		t.Errorf("with other servers: %v", err)
	}
	second := own(t, config)
	if second.Balancer != first.Balancer || second.ClusterKey != first.ClusterKey {
		t.Errorf("%s is now %s", first.Balancer, second.Balancer)
	}
	u.net = second
	u.again()
}
