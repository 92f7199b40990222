// Package pb holds the generated protobuf types of what the directory writes:
// its commands and its stored values. It is the directory's alone; the wire has
// a schema of its own.
package pb

//go:generate protoc --go_out=. --go_opt=paths=source_relative directory.proto
