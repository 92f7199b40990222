// Package check judges what became of the messages of a run: whether each that a
// node took was displayed once, in order, at everybody whom it was for and nobody
// else, and whether its sender was told so. It is fed with what was typed and what
// was seen, in one list, and needs nothing else: the texts themselves name their
// author, their number and what the author had read. It is pure: it starts no
// program and reads no clock. Package scenario makes the lists; the tests here make
// bad ones by hand.
package check
