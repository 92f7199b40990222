package beacon

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lit(t *testing.T) Testnet {
	t.Setenv("TMPDIR", t.TempDir())
	net := Testnet{Event: "ready", Balancer: "/ip4/127.0.0.1/tcp/4000", PID: os.Getpid(), Servers: []Server{{Name: "s1", PID: 7}}}
	if err := Light(net); err != nil {
		t.Fatal(err)
	}
	return net
}

func TestFind(t *testing.T) {
	net := lit(t)
	got, ok := Find()
	if diff := cmp.Diff(net, got); !ok || diff != "" {
		t.Fatalf("%v %s", ok, diff)
	}
	later := net
	later.PID++
	if err := PutOut(later); err != nil {
		t.Fatal(err)
	}
	if _, ok := Find(); !ok {
		t.Fatal("somebody else's testnet was put out")
	}
	if err := PutOut(net); err != nil {
		t.Fatal(err)
	}
	if _, ok := Find(); ok {
		t.Fatal("found after it was put out")
	}
}

func TestFindIgnoresDeadTestnets(t *testing.T) {
	net := lit(t)
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Skip("no program to run:", err)
	}
	net.PID = gone.Process.Pid
	if err := Light(net); err != nil {
		t.Fatal(err)
	}
	if found, ok := Find(); ok {
		t.Errorf("found %+v", found)
	}
}

func TestFolderOfOthersIsNotBelieved(t *testing.T) {
	net := lit(t)
	if err := os.Chmod(folder(), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, ok := Find(); ok {
		t.Error("believed a folder that anybody may write to")
	}
	if err := Light(net); !errors.Is(err, ErrFolder) {
		t.Errorf("Light: %v", err)
	}
}
