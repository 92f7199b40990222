// Package provision is the operator's side of a cluster: it makes the keys,
// certificates and files that its servers and balancers start from, and reads
// a server's back.
//
// Init writes one folder a machine, so that setting up is copying folders:
//
//	cluster.key              the cluster's private key; it belongs on no server
//	cluster.pub              its public half, in hexadecimal
//	NAME/server.key          a server's libp2p key
//	NAME/server.cert         its certificate, signed by the cluster key
//	NAME/cluster.pub
//	NAME/cluster.json        all servers and balancers
//	NAME/opaque.secrets      what the servers share to check passwords
//	NAME/data, NAME/begun    its state, and that it has had one: made by the server itself
//	NAME/balancer.key        a balancer's libp2p key
//	NAME/cluster.pub
//	NAME/balancer.json       where it listens
//
// Add makes the folder of one more server beside those, and Renew signs new
// certificates in there. The package starts nothing and talks to nobody. The
// rendezvous command and the testnet call Init and Add, the command calls Renew,
// package rendezvous calls LoadServer.
package provision
