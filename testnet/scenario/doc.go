// Package scenario plays runs of a whole tryst system in which things go wrong, and
// proves that no message is lost: real programs are killed, frozen, cut off and left
// without disk while scripted people write to each other, and package check judges
// what became of every message. The order of events is drawn from a seed, so that a
// run can be played again.
//
// cmd/testnet is its command line, and its tests play each scenario small. A new
// scenario is a file like offline.go: a value of type Scenario in the list of All,
// and a function that uses a stage.
package scenario
