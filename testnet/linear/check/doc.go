// Package check judges the history of what clients asked of a cluster: whether there
// is an order of the requests in which one server alone could have answered them so
// (linearizability, by porcupine), and whether reads that promise less keep what they
// promise. What they promise is written down in package rendezvous/client.
//
// It is pure: package linear records a history, and this one judges it. The objects
// of a history are judged one by one, a name, a device's keys, a group's chain, a
// device's mailbox: a history is linearizable if and only if that of each object is.
package check
