// Package testnet starts a whole tryst system on one machine, as real
// processes: rendezvous servers, a balancer, and nodes that it talks to as a
// program would, by lines in and JSON out. It builds or finds the programs,
// makes a cluster with package provision, waits until everything answers, and
// stops whatever it started. It is a harness and not a mock: nothing of the
// system is replaced, and what works here works on many machines.
//
// cmd/testnet is its command line, package tour its demonstration, and the
// end-to-end tests of the project stand beside it.
package testnet
