package directory

import (
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire"
)

// isRefusal tells an answer to the client, which is the same on every server,
// from a failure of this server's store, which is not.
func isRefusal(err error) bool {
	return !errors.Is(wire.ErrorOf(wire.Code(err)), wire.ErrInternal)
}

// refuse turns what package record found wrong into what the client is told.
func refuse(err error) error {
	switch {
	case errors.Is(err, record.ErrChain):
		return fmt.Errorf("%w: %w", wire.ErrConflict, err)
	case errors.Is(err, record.ErrRule):
		return fmt.Errorf("%w: %w", wire.ErrRefused, err)
	case errors.Is(err, record.ErrTooLong), errors.Is(err, record.ErrFull):
		return fmt.Errorf("%w: %w", wire.ErrFull, err)
	default:
		return fmt.Errorf("%w: %w", wire.ErrBadRequest, err)
	}
}

// orElse replaces ErrMissing by what its absence means.
func orElse(err, missing error) error {
	if errors.Is(err, ErrMissing) {
		return missing
	}
	return err
}
