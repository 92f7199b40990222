// Package senderkey is what one device of a group encrypts with during one
// epoch: a symmetric chain that gives each message its key, and an Ed25519 key
// that signs them, so that a member cannot post as another (Signal's sender
// keys, as in its group messaging).
//
// It is not a group: it knows no members, keeps no order and fetches no gaps.
// node/group calls it, certifies the signing key with the device key, hands the
// distribution out over the pairwise sessions, and drops senders and receivers
// with their epoch. A single message may be passed on with its Opening, which opens
// nothing else. A chain goes forward only: it has no recovery after a
// break-in but the next epoch. Signatures make group messages undeniable.
//
// # Bytes of a message
//
//	chain ID[16] || u32 iteration || sealed body || signature[64]
//	sealed body = seal(message key, role SenderKey, ad', chain ID || iteration, padded plaintext)
//	ad'         = group ID[16] || u64 epoch || ad
//	signature   = Ed25519("tryst sender key v1" || u64(len(ad')) || ad' || chain ID || iteration || sealed body)
//
// # Bytes of a distribution
//
//	version 1 || group ID[16] || u64 epoch || chain ID[16] || u32 iteration || chain key[32] || signing key[32]
//
// with the chain key of that iteration: who gets it reads from there on and
// nothing before. It is a secret. Numbers are big-endian;
// message and next chain key as in key.Chain.
package senderkey
