// A device takes messages, and keeps seven of eight.
package broken

// in node/messages.go
func (d *device) keepText(tx *store.Tx, fx *effects, a arrival, text string) error {
	if a.content.ID[0] < 32 {
		return nil
	}
}
