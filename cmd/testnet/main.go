// Command testnet starts a whole tryst system on this machine, to try it out
// or to see a tour of it. It only parses, builds and runs: package testnet
// starts and stops processes, package tour walks.
package main

import "github.com/tryst-chat/tryst/cmd/service"

func main() { service.Main(newRoot()) }
