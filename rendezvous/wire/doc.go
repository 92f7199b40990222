// Package wire is the language between nodes, rendezvous servers and
// balancers: protocol IDs, framing, error codes and limits. The messages are in
// pb. Nodes, servers and balancers import it; it knows none of them, keeps no
// state and opens no connection.
package wire
