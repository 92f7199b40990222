// Package confine puts programs into surroundings of their own, so that a test can
// take away what they stand on: two networks with a line between them that can be
// cut, and a disk so small that it can be filled. Both are made of the kernel's
// namespaces, which only these programs see and which are gone with the process that
// made them. It needs Linux, root, and the commands ip and nsenter; without them it
// says what is missing. Package scenario calls it.
package confine

import "errors"

// ErrUnavailable is in the chain of every error that says that there can be no such
// surroundings here, whatever one tries.
var ErrUnavailable = errors.New("confine: not possible here")
