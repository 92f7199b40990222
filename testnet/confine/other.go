//go:build !linux

package confine

import (
	"context"
	"net"

	"github.com/tryst-chat/tryst/testnet"
)

// Halves are two networks; see halves_linux.go.
type Halves struct{ Left, Right testnet.Place }

// NewHalves says that there are none here.
func NewHalves() (*Halves, error) { return nil, ErrUnavailable }

// Cut does nothing.
func (*Halves) Cut() error { return ErrUnavailable }

// CutFromLeft does nothing.
func (*Halves) CutFromLeft() error { return ErrUnavailable }

// Heal does nothing.
func (*Halves) Heal() error { return ErrUnavailable }

// Close does nothing.
func (*Halves) Close() error { return nil }

// Mesh is a network with lines that can be cut; see mesh_linux.go.
type Mesh struct{}

// NewMesh says that there is none here.
func NewMesh(...string) (*Mesh, error) { return nil, ErrUnavailable }

// Place is nowhere.
func (*Mesh) Place(string) testnet.Place { return testnet.Place{} }

// Dial reaches nobody.
func (*Mesh) Dial(context.Context, string, string, string) (net.Conn, error) {
	return nil, ErrUnavailable
}

// Cut does nothing.
func (*Mesh) Cut(string, string) error { return ErrUnavailable }

// Heal does nothing.
func (*Mesh) Heal() error { return ErrUnavailable }

// Close does nothing.
func (*Mesh) Close() error { return nil }

// Disk is a small disk; see disk_linux.go.
type Disk struct{ Place testnet.Place }

// NewDisk says that there are none here.
func NewDisk(string, int64) (*Disk, error) { return nil, ErrUnavailable }

// Fill does nothing.
func (*Disk) Fill() error { return ErrUnavailable }

// Free does nothing.
func (*Disk) Free() error { return ErrUnavailable }

// Copy does nothing.
func (*Disk) Copy(string) error { return ErrUnavailable }

// Close does nothing.
func (*Disk) Close() error { return nil }
