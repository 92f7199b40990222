package badger

import (
	"bytes"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/tryst-chat/tryst/rendezvous/directory"
)

// transaction is a Badger transaction as directory.Reader and Writer.
type transaction struct{ txn *badger.Txn }

func (t transaction) Get(key []byte) ([]byte, error) {
	item, err := t.txn.Get(key)
	if err != nil {
		return nil, translate(err)
	}
	return item.ValueCopy(nil)
}

func (t transaction) Scan(prefix, from []byte, visit func(key, value []byte) (bool, error)) error {
	opts := badger.DefaultIteratorOptions
	opts.Prefix = prefix
	opts.PrefetchValues = false // values lie beside their keys: see settings
	it := t.txn.NewIterator(opts)
	defer it.Close()
	if bytes.Compare(from, prefix) < 0 {
		from = prefix
	}
	for it.Seek(from); it.Valid(); it.Next() {
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		more, err := visit(it.Item().KeyCopy(nil), value)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Set copies, since Badger keeps what it is given until the commit.
func (t transaction) Set(key, value []byte) error {
	return translate(t.txn.Set(bytes.Clone(key), bytes.Clone(value)))
}

func (t transaction) Delete(key []byte) error {
	return translate(t.txn.Delete(bytes.Clone(key)))
}

// translate turns Badger's errors into those that directory.Store promises.
func translate(err error) error {
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return directory.ErrMissing
	case errors.Is(err, badger.ErrTxnTooBig):
		return directory.ErrTooBig
	default:
		return err
	}
}
