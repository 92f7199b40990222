// Package linear tries to break the consensus of the rendezvous servers: clients, each
// with a device of its own, ask real servers for everything at once while leaders are
// killed, frozen and cut off, and package check judges what they were answered. In the
// end the servers are compared with each other, and with what was acknowledged.
//
// Which answers promise what is written down in package rendezvous/client; package
// scenario does the same for what people see of the whole system. cmd/testnet and the
// test of this package call it.
package linear
