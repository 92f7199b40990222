package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/crypto/argon2"

	"github.com/tryst-chat/tryst/node/crypto/seal"
	"github.com/tryst-chat/tryst/node/key"
)

// keyFile holds the store key under the password. Its presence is what makes a
// folder a store: it is written last.
const keyFile = "key"

// The key file:
//
//	"tryst store key\n" || version 1 || u32 memory in KiB || u32 passes || u8 lanes || salt[16] ||
//	seal of store key[32], role Store, everything before it as header
const (
	keyFileMagic   = "tryst store key\n"
	keyFileVersion = 1
	saltSize       = 16
	keyHeaderSize  = len(keyFileMagic) + 1 + 4 + 4 + 1 + saltSize
	keyFileSize    = keyHeaderSize + key.Size + seal.Overhead
)

// Cost are the parameters of Argon2id (RFC 9106), which stand in the key file.
// The zero value stands for DefaultCost.
type Cost struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// DefaultCost is RFC 9106's second recommendation, 0.1 to 0.2 s a guess.
func DefaultCost() Cost { return Cost{memory: 64 << 10, passes: 3, lanes: 4} }

// LeastCost is the least that a key file may have, a tenth of DefaultCost: for
// tests that make many stores.
func LeastCost() Cost { return Cost{memory: minMemory, passes: minPasses, lanes: 1} }

const (
	minMemory, maxMemory = 19 << 10, 1 << 20 // KiB; OWASP's least, and 1 GiB
	minPasses, maxPasses = 2, 16
	maxLanes             = 16
)

// check refuses what is below any sound setting, or would take the machine's
// memory or minutes: the numbers come from a file.
func (c Cost) check() error {
	if c.memory < minMemory || c.memory > maxMemory || c.passes < minPasses || c.passes > maxPasses ||
		c.lanes < 1 || c.lanes > maxLanes {
		return fmt.Errorf("%w: Argon2id with %d KiB, %d passes, %d lanes", errKeyFile, c.memory, c.passes, c.lanes)
	}
	return nil
}

// errKeyFile means a key file that this version cannot have written.
var errKeyFile = errors.New("damaged key file")

// wrapKey returns a key file's bytes.
func wrapKey(k key.Store, password []byte, c Cost) ([]byte, error) {
	b := append([]byte(keyFileMagic), keyFileVersion)
	b = binary.BigEndian.AppendUint32(b, c.memory)
	b = binary.BigEndian.AppendUint32(b, c.passes)
	b = append(b, c.lanes)
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	b = append(b, salt...)
	wrapping, err := wrappingKey(password, salt, c)
	if err != nil {
		return nil, err
	}
	sealed, err := seal.Seal(wrapping.Sealing(), seal.Store, nil, b, k.Bytes())
	if err != nil {
		return nil, fmt.Errorf("wrap store key: %w", err)
	}
	return append(b, sealed...), nil
}

// unwrapKey undoes wrapKey. It returns ErrPassword for another password, which
// a changed file cannot be told from.
func unwrapKey(b, password []byte) (key.Store, error) {
	if len(b) != keyFileSize || string(b[:len(keyFileMagic)]) != keyFileMagic || b[len(keyFileMagic)] != keyFileVersion {
		return key.Store{}, errKeyFile
	}
	header, sealed := b[:keyHeaderSize], b[keyHeaderSize:]
	fields := header[len(keyFileMagic)+1:]
	c := Cost{memory: binary.BigEndian.Uint32(fields), passes: binary.BigEndian.Uint32(fields[4:]), lanes: fields[8]}
	if err := c.check(); err != nil {
		return key.Store{}, err
	}
	wrapping, err := wrappingKey(password, fields[9:], c)
	if err != nil {
		return key.Store{}, err
	}
	plain, err := seal.Open(wrapping.Sealing(), seal.Store, nil, header, sealed)
	if err != nil {
		return key.Store{}, ErrPassword
	}
	return key.ParseStore(plain)
}

func wrappingKey(password, salt []byte, c Cost) (key.Store, error) {
	return key.ParseStore(argon2.IDKey(password, salt, c.passes, c.memory, c.lanes, key.Size))
}

// writeFile puts a file in place whole or not at all, and on the disk.
func writeFile(dir, name string, content []byte) error {
	temporary, err := os.CreateTemp(dir, name+".*.new")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // fails once it has been renamed
	_, err = temporary.Write(content)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temporary.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}
