// Package group is a group as one device sees it: the verified membership chain,
// the current epoch's secret, the device's own sender chain and those of the
// others, and the messages whose key has not come yet.
//
// It is not the chain's rules (rendezvous/record) and not the ciphers
// (node/crypto/senderkey). It fetches nothing and sends nothing: package node
// appends statements at the servers, carries secrets and sender keys over the
// pairwise sessions and messages over the group's topic, keeps the State in
// node/store, and is the only caller. The package is pure: a State is a value,
// every call returns a new one, an error leaves nothing changed.
//
// # Who may read
//
// An account is a member if the chain says so. Members' devices, and nobody else,
// are given the epoch secret (SecretFor) and this device's sender chain (Send). The
// epoch secret gives the topic's name; what messages are encrypted with is each
// device's own chain, made at its first message of an epoch and handed out then.
// A device that a member adds later gets both at the next occasion: the chain from
// where it then stands, and nothing from before. When somebody leaves or is removed,
// each device goes on with a fresh chain from the moment it knows, so that they read
// nothing more of it; that the secret changes too, with the next epoch, takes the
// topic's name from them.
//
// In a group that gives newcomers a history (record.Settings) members keep, for as many
// messages, what opens each of them alone, and pass it on with them (History). Each
// sender chain is certified by its device, so that who was not there can tell whose the
// messages are.
//
// A device whose State is an old copy goes on in its chain under numbers that it has
// used, and what it says so is taken for a duplicate. The first message of its own
// that a member passes on to it ends that (Repair): its next one begins a new chain.
//
// # Bytes
//
//	commitment = SHA-256("tryst epoch commitment 1" || group ID[16] || u64 epoch || secret[32])
//	topic      = hex(HKDF-SHA-256(secret, salt group ID[16], info "tryst group topic 1", 32))
//	ad         = "tryst group message 1" || u8(len(account)) || account || u8(len(device)) || device
//	certificate = Ed25519 by the device over "tryst sender chain certificate 1" || group ID[16] || u64 epoch ||
//	             chain ID[16] || signing key[32] || u8(len(account)) || account || u8(len(device)) || device
//
// ad names the sender and is bound into each message together with group ID and
// epoch, which package senderkey adds. On the wire a message is a pb.GroupMessage.
package group
