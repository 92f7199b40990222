// Package tour walks through the whole program with three people on a testnet:
// every command, what must go right and what must be refused. It prints the
// conversation as it happens and stops at the first thing that is not as it
// should be. The demonstration of cmd/testnet is this package, and so is the
// first of the end-to-end tests.
package tour
