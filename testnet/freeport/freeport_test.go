package freeport

import (
	"fmt"
	"net"
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
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Errorf("port %d is not free: %v", port, err)
			continue
		}
		defer l.Close()
	}
}
