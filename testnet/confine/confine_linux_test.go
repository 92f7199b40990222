package confine

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// needs skips a test where there can be no such surroundings, except in CI, which
// has all that it takes.
func needs(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// within is a command that runs inside of a place.
func within(t *testing.T, enter []string, command ...string) (string, error) {
	t.Helper()
	all := append(append([]string(nil), enter...), command...)
	out, err := exec.CommandContext(t.Context(), all[0], all[1:]...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// listenIn listens inside of a half. The listener's connections are made there too.
func listenIn(t *testing.T, n *namespace, host string) net.Listener {
	t.Helper()
	var l net.Listener
	err := n.do(func() (err error) {
		l, err = net.Listen("tcp4", host+":0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// How long to try to connect over a line that is open, however busy the machine is, and
// over one that is cut, where nothing ever comes.
const (
	openPatience = time.Minute
	cutPatience  = 300 * time.Millisecond
)

// exchange makes a connection, which takes words both ways.
func exchange(t *testing.T, n *namespace, l net.Listener, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := n.dial(ctx, "tcp4", l.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestHalves(t *testing.T) {
	h, err := NewHalves()
	needs(t, err)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	left, right := listenIn(t, h.left, leftHost), listenIn(t, h.right, rightHost)
	for _, step := range []struct {
		name string
		do   func() error
		open bool // the line is
	}{
		{"at first", func() error { return nil }, true},
		{"cut", h.Cut, false},
		{"healed", h.Heal, true},
		{"cut from the left", h.CutFromLeft, false}, // no answer comes back over it
		{"healed again", h.Heal, true},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for _, way := range []struct {
			name string
			from *namespace
			to   net.Listener
			open bool
		}{
			{"left to right", h.left, right, step.open}, {"right to left", h.right, left, step.open},
			{"left to left", h.left, left, true}, {"right to right", h.right, right, true},
		} {
			patience := cutPatience
			if way.open {
				patience = openPatience
			}
			if err := exchange(t, way.from, way.to, patience); (err == nil) != way.open {
				t.Errorf("%s, %s: %v", step.name, way.name, err)
			}
		}
	}
	// Nobody outside sees the line.
	if _, err := net.InterfaceByName(leftEnd); err == nil {
		t.Errorf("the line's end is to be seen from outside")
	}
}

// What the right half sends comes through while the left one's words are lost.
func TestOneWay(t *testing.T) {
	h, err := NewHalves()
	needs(t, err)
	t.Cleanup(func() { h.Close() })
	var heard net.PacketConn
	err = h.left.do(func() (err error) {
		heard, err = net.ListenPacket("udp4", leftHost+":0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { heard.Close() })
	if err := exchange(t, h.right, listenIn(t, h.left, leftHost), openPatience); err != nil { // so that the right one knows the way
		t.Fatal(err)
	}
	if err := h.CutFromLeft(); err != nil {
		t.Fatal(err)
	}
	conn, err := h.right.dial(t.Context(), "udp4", heard.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := heard.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := heard.ReadFrom(make([]byte, 16)); err != nil || n != len("hello") {
		t.Errorf("what the right half sends does not come: %v", err)
	}
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	d, err := NewDisk(dir, 1<<20)
	needs(t, err)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(dir, "file")
	if out, err := within(t, d.Place.Enter, "sh", "-c", "echo hello > "+file); err != nil {
		t.Fatal(out, err)
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if out, err := within(t, d.Place.Enter, "sh", "-c", "echo more > "+file+"2"); err == nil {
		t.Errorf("a full disk takes more: %s", out)
	}
	if err := d.Free(); err != nil {
		t.Fatal(err)
	}
	// What is on the disk outlives the programs in there.
	if out, err := within(t, d.Place.Enter, "sh", "-c", "echo more >> "+file+" && cat "+file); err != nil || out != "hello\nmore" {
		t.Errorf("the disk holds %q (%v)", out, err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the disk is to be seen from outside")
	}
}

// Each direction of each line of a mesh is cut alone.
func TestMesh(t *testing.T) {
	m, err := NewMesh("a", "b", "c")
	needs(t, err)
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	listeners := make(map[string]net.Listener)
	for _, node := range m.nodes {
		listeners[node.name] = listenIn(t, node.n, node.host)
	}
	check := func(what string, shut ...string) {
		t.Helper()
		for _, from := range m.nodes {
			for to, l := range listeners {
				// A connection needs both directions.
				cut := slices.Contains(shut, from.name+to) || slices.Contains(shut, to+from.name)
				patience := openPatience
				if cut {
					patience = cutPatience
				}
				if err := exchange(t, from.n, l, patience); (err != nil) != cut {
					t.Errorf("%s: %s to %s: %v", what, from.name, to, err)
				}
			}
		}
	}
	check("at first")
	if err := m.Cut("a", "b"); err != nil {
		t.Fatal(err)
	}
	check("one way", "ab")
	if err := errors.Join(m.Cut("b", "a"), m.Cut("c", "a")); err != nil {
		t.Fatal(err)
	}
	check("more", "ab", "ba", "ca")
	if err := m.Heal(); err != nil {
		t.Fatal(err)
	}
	check("healed")
}
