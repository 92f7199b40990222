// Package node is a person's device: it signs up and logs in, sends and
// receives messages and files, and takes part in groups. It composes the pure
// protocol cores below it with the local store, the libp2p transport and the
// client of the rendezvous servers. The command line uses it, and so does
// everything else that wants to be a node; it prints nothing and asks nobody.
package node

import (
	"context"
	"errors"

	"github.com/tryst-chat/tryst/rendezvous/record"
)

// Node is one device. Its methods may be called from any goroutine.
type Node struct{ events chan Event }

// Open starts a node that nobody is logged in on.
func Open(cfg Config) (*Node, error) { return nil, errors.ErrUnsupported }

// SignUp creates an account and enters this device in it; it does not log in.
func (n *Node) SignUp(ctx context.Context, name, roll string, password []byte) (record.Account, error) {
	return "", errors.ErrUnsupported
}

// Login logs in on the account.
func (n *Node) Login(ctx context.Context, account string, password []byte) (record.Account, error) {
	return "", errors.ErrUnsupported
}

// Logout revokes this device.
func (n *Node) Logout(ctx context.Context) error { return errors.ErrUnsupported }

// Account returns who is logged in, and on which device (a peer ID).
func (n *Node) Account() (account record.Account, device string, ok bool) { return "", "", false }

// Send sends a text to an account and returns the message ID.
func (n *Node) Send(ctx context.Context, to, text string) (string, error) {
	return "", errors.ErrUnsupported
}

// SendFile sends a file.
func (n *Node) SendFile(ctx context.Context, to, path string) (string, error) {
	return "", errors.ErrUnsupported
}

// SendGroup sends a text to a group.
func (n *Node) SendGroup(ctx context.Context, group, text string) (string, error) {
	return "", errors.ErrUnsupported
}

// SendGroupFile sends a file to a group.
func (n *Node) SendGroupFile(ctx context.Context, group, path string) (string, error) {
	return "", errors.ErrUnsupported
}

// CreateGroup creates an open group.
func (n *Node) CreateGroup(ctx context.Context, name string) (record.GroupName, error) {
	return "", errors.ErrUnsupported
}

// JoinGroup joins an open group; waiting tells that no member could let this device in yet.
func (n *Node) JoinGroup(ctx context.Context, name string) (group record.GroupName, waiting bool, err error) {
	return "", false, errors.ErrUnsupported
}

// Groups lists all open groups by name; MyGroups those of the account, also without a server.
func (n *Node) Groups(ctx context.Context) ([]Group, error) { return nil, errors.ErrUnsupported }

// MyGroups lists the account's groups.
func (n *Node) MyGroups(ctx context.Context) ([]Group, error) { return nil, errors.ErrUnsupported }

// Events returns what happens; the reader must keep reading, since the node
// waits for it. It is closed when the node is.
func (n *Node) Events() <-chan Event { return n.events }

// Close ends everything and waits for it. What is in the outbox stays there.
func (n *Node) Close() error { return errors.ErrUnsupported }
