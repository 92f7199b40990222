package freeport

import (
	"testing"
)

func TestPortsAreFreeAndDiffer(t *testing.T) {
	ports, err := Draw(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, port := range ports {
		if seen[port] || port < first || port >= last {
			t.Errorf("port %d, among %v", port, ports)
		}
		seen[port] = true
		if err := Check(port); err != nil {
			t.Errorf("port %d is not free: %v", port, err)
			continue
		}
		l, err := listenOn(port)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if Check(port) == nil {
			t.Errorf("port %d is free although somebody listens", port)
		}
	}
}
