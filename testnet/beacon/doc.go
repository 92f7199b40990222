// Package beacon is how a node finds the testnet that runs on the same
// machine: a file in a well-known folder of the person who started it, for as
// long as it runs. It is not a discovery protocol, and nothing but testnets is
// found with it. cmd/testnet writes the file, cmd/tryst reads it.
package beacon
