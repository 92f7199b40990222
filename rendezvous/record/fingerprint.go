package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Fingerprint returns what people compare of a cluster's public key: the first
// 16 bytes of its SHA-256 in hexadecimal, in groups of four.
func Fingerprint(cluster ed25519.PublicKey) string {
	const size, group = 16, 4
	sum := sha256.Sum256(cluster)
	digits := hex.EncodeToString(sum[:size])
	var groups []string
	for i := 0; i < len(digits); i += group {
		groups = append(groups, digits[i:i+group])
	}
	return strings.Join(groups, " ")
}
