package account

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
)

var update = flag.Bool("update", false, "write testdata anew: vaults that wait in directories must go on opening")

const goldenPath = "testdata/vault.json"

// golden is a vault as it waits in a directory. Bytes are hexadecimal.
type golden struct{ ExportKey, Vault, Identity, Sync string }

// A vault that was sealed once opens for ever.
func TestGoldenVault(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	b, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	v, err := OpenVault(unhex(t, g.ExportKey), unhex(t, g.Vault))
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(v.Identity.Bytes()) != g.Identity || hex.EncodeToString(v.Sync.Bytes()) != g.Sync {
		t.Error("it holds other keys than it did")
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeGolden(t *testing.T) {
	t.Helper()
	export := make([]byte, key.ExportKeySize)
	for i := range export {
		export[i] = byte(i)
	}
	v := Vault{Identity: key.NewIdentity(), Sync: key.NewSync()}
	sealed, err := SealVault(export, v)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(golden{
		hex.EncodeToString(export), hex.EncodeToString(sealed), hex.EncodeToString(v.Identity.Bytes()), hex.EncodeToString(v.Sync.Bytes()),
	}, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenPath, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
