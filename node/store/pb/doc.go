// Package pb is the generated form of what node/store keeps on disk. Nothing
// else imports it; the store converts and checks at its edge.
package pb

//go:generate protoc --go_out=. --go_opt=paths=source_relative store.proto
