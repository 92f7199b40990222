// A device forgets which messages it has seen.
package broken

// in node/store/history.go
func (t *Tx) Seen(device peer.ID, id wire.MessageID) bool { return false }
