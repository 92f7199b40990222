// A one-time prekey stays in the stock when it is handed out.
package broken

// in rendezvous/directory/keys.go
func takeDevice(w Writer, account record.Account, device peer.ID) (*pb.TakenKeys_Device, error) {
	bundle, err := w.Get(keyBundle(account, device))
	if err != nil {
		return nil, err
	}
	stock, err := loadStock(w, account, device)
	if err != nil {
		return nil, err
	}
	keys := &pb.TakenKeys_Device{Device: []byte(device), Bundle: bundle}
	err = w.Scan(accountKey(account, 'o', []byte(device)...), nil, func(_, v []byte) (bool, error) {
		keys.OneTime = v
		return false, nil
	})
	if stock.Left > 0 {
		stock.Left--
		keys.Left = stock.Left
	}
	return keys, err
}
