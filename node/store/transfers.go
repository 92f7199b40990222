package store

import "bytes"

// TransferID names a file's transfer: 16 random bytes, drawn by the sender.
type TransferID = [16]byte

// Transfer returns what package transfer made of a transfer.
func (t *Tx) Transfer(id TransferID) ([]byte, bool) { return t.get(transferKey(id)) }

// PutTransfer stores what package transfer made of a transfer.
func (t *Tx) PutTransfer(id TransferID, state []byte) { t.put(transferKey(id), bytes.Clone(state)) }

// RemoveTransfer forgets a transfer.
func (t *Tx) RemoveTransfer(id TransferID) { t.remove(transferKey(id)) }

// Transfers returns all transfers.
func (t *Tx) Transfers() map[TransferID][]byte {
	transfers := make(map[TransferID][]byte)
	for _, r := range t.rows([]byte{rowTransfer}, 0) {
		if len(r.key) != 1+len(TransferID{}) {
			t.damaged(errLength)
			return nil
		}
		transfers[TransferID(r.key[1:])] = r.value
	}
	return transfers
}

func transferKey(id TransferID) []byte { return append([]byte{rowTransfer}, id[:]...) }
