// Package pb holds the generated protobuf types of the client-server wire.
// They stay at the edge: whoever receives one converts and validates it before
// anything else sees it.
package pb

//go:generate protoc --go_out=. --go_opt=paths=source_relative rendezvous.proto servers.proto
