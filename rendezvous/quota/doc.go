// Package quota says how much one client may ask of the servers and balancers: the
// table of all such limits, each with its reason, and the meters that count. It does
// no I/O and reads no clock. Servers and balancers take their limits from the table
// and nowhere else, operators read it as "rendezvous limits", and for each row a test
// has one client exceed it while another one notices nothing.
//
// What an answer or a frame may hold is bounded by package wire, and what is signed by
// package record: those are limits of a form, not of a client's use.
package quota
