//go:build !linux

package confine

import "github.com/tryst-chat/tryst/testnet"

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
