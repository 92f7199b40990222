// Package terms is what a cluster may ask of somebody before a sign-up: an
// invitation, some work, both, or nothing. It makes and reads invitation codes, makes
// and checks challenges, and solves and checks what work they ask for. Server, client
// and node call it; where the terms stand and which codes are left is package
// directory's.
//
// # Invitations
//
// A code is random and long enough that nobody finds one by trying (see randomSize),
// so that a plain hash of it is all that servers keep, in their log too: who steals a
// directory has no codes. It is written in Crockford's base 32 in groups of four,
// which reads well over the phone, and ends in a checksum, so that a code that was
// mistyped is known without asking anybody, and told from one that was used.
//
// # Work
//
// The work is hashcash's (Back, 2002) over SHA-256: to find numbers that hash to
// something that begins with zeros. What is hashed contains a challenge of the
// servers, the device and the account, so that a solution is good for one sign-up by
// one device: an account is made once, and a device key enters one account for ever.
//
// Two things differ from hashcash. A challenge comes from a server, with the time and
// a MAC under a key that all servers have, so that none remembers any and nobody works
// ahead for longer than the challenge stands. And the work is cut into Parts equal
// ones: the same work on average, but the time that it takes spreads a quarter as far,
// and a person can be shown how far it is; one large search has no progress.
//
// What it is good for: a script that signs up thousands of accounts takes hours instead
// of seconds. What it is not: whoever rents graphics cards computes a thousand times
// faster than a phone does. Against somebody who means it, ask for invitations.
package terms
