// Package record defines what people, devices and servers sign: server
// certificates, relay permits, device logs, key bundles and group membership
// statements.
//
// Every record has one canonical encoding (see encode.go): a label that names
// its kind, then its fields in a fixed order, then the Ed25519 signature over
// everything before it. A record is kept, hashed and passed on as those bytes;
// parsing and encoding again is the identity. Nothing here is signed by way of
// a protobuf marshaller, whose output is not canonical.
//
// The package is pure: bytes in, verified values out. It stores nothing, talks
// to nobody and reads no clock. Servers use it to refuse what is invalid, nodes
// to believe nobody else's word for it.
package record
