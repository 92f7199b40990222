package account

import (
	"errors"
	"fmt"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// ErrVault means bytes that are no vault, or not one of this password.
var ErrVault = errors.New("account: vault does not open")

// vaultVersion is the first byte of a vault, bound into its seal. A later one
// may hold more.
const vaultVersion = 1

// Vault is what waits in the directory for whoever knows the password.
type Vault struct {
	Identity key.Identity // signs the account's device log
	Sync     key.Sync     // opens what follows the account to a new device
}

// SealVault seals a vault under a key that OPAQUE's export key (64 bytes)
// yields:
//
//	version 1 || seal of identity seed[32] || sync key[32], role Vault, version as header
func SealVault(exportKey []byte, v Vault) ([]byte, error) {
	k, err := key.VaultFromExport(exportKey)
	if err != nil {
		return nil, fmt.Errorf("seal vault: %w", err)
	}
	plain := append(v.Identity.Bytes(), v.Sync.Bytes()...)
	header := []byte{vaultVersion}
	sealed, err := seal.Seal(k.Sealing(), seal.Vault, nil, header, plain)
	if err != nil {
		return nil, fmt.Errorf("seal vault: %w", err)
	}
	return append(header, sealed...), nil
}

// OpenVault undoes SealVault, or returns ErrVault.
func OpenVault(exportKey, vault []byte) (Vault, error) {
	k, err := key.VaultFromExport(exportKey)
	if err != nil {
		return Vault{}, fmt.Errorf("open vault: %w", err)
	}
	if len(vault) == 0 || vault[0] != vaultVersion {
		return Vault{}, ErrVault
	}
	plain, err := seal.Open(k.Sealing(), seal.Vault, nil, vault[:1], vault[1:])
	if err != nil || len(plain) != 2*key.Size {
		return Vault{}, ErrVault
	}
	var v Vault
	if v.Identity, err = key.ParseIdentity(plain[:key.Size]); err != nil {
		return Vault{}, fmt.Errorf("%w: %w", ErrVault, err)
	}
	if v.Sync, err = key.ParseSync(plain[key.Size:]); err != nil {
		return Vault{}, fmt.Errorf("%w: %w", ErrVault, err)
	}
	return v, nil
}
