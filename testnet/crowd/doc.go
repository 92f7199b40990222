// Package crowd measures what many idle nodes cost: it starts a testnet and has so many
// devices log in and stay, each a libp2p host of its own with a beat stream through a
// circuit, as a person's node has one that says nothing. It is no benchmark of messages
// and no test of faults; package scenario is that. cmd/testnet calls it.
package crowd
