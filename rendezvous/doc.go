// Package rendezvous is a rendezvous server: who exists, who is in which group
// and where everybody is. It introduces people's devices to each other and
// never reads what they say.
//
// It assembles the packages below it and adds what lies between them: which
// request goes where and who may ask it (handler.go, routes.go), one file of
// answers per concern (accounts.go, terms.go, keys.go, presence.go, groups.go, mail.go),
// the beat streams and the notices on them (beat.go, hub.go), the libp2p host with
// its limits, and the operator's metrics. The directory's rules are package
// directory's, their replication package cluster's, the password's package
// auth's.
//
// The rendezvous command and the testnet run servers; nodes reach them through
// package client.
package rendezvous
