package key_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tryst-chat/tryst/node/key"
)

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// vault derives a vault key from an export key of one repeated byte.
func vault(tb testing.TB, fill byte) key.Vault {
	tb.Helper()
	k, err := key.VaultFromExport(bytes.Repeat([]byte{fill}, key.ExportKeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// secrets are one key of each secret role, by name.
func secrets(tb testing.TB) map[string]interface{ Bytes() []byte } {
	return map[string]interface{ Bytes() []byte }{
		"Identity": key.NewIdentity(), "Device": key.NewDevice(), "DH": key.NewDH(), "KEM": key.NewKEM(),
		"Message": key.NewMessage(), "Chain": key.NewChain(), "File": key.NewFile(), "Epoch": key.NewEpoch(),
		"Store": key.NewStore(), "Sync": key.NewSync(), "Vault": vault(tb, 1),
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	for name, k := range secrets(t) {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%c", "%o"} {
				fmt.Fprintf(&out, verb+"\n", k)
				fmt.Fprintf(&out, verb+"\n", &k)
				fmt.Fprintf(&out, verb+"\n", struct{ K any }{k})
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("key", "k", k)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "k", k)
			if b, err := json.Marshal(k); err == nil {
				out.Write(b)
			}
			text := strings.ToLower(out.String())
			secret := k.Bytes()
			for _, form := range []string{
				string(secret), hex.EncodeToString(secret[:8]),
				fmt.Sprintf("%d %d %d %d", secret[0], secret[1], secret[2], secret[3]),
				fmt.Sprintf("0x%x, 0x%x, 0x%x", secret[0], secret[1], secret[2]),
			} {
				if strings.Contains(text, strings.ToLower(form)) {
					t.Errorf("printed %q in %q", form, text)
				}
			}
			if !strings.Contains(text, "(secret)") {
				t.Errorf("nothing was printed in its place: %q", text)
			}
		})
	}
}

// roundTrip checks parse(Bytes) == k, that another key differs, and that a
// wrong length is refused.
func roundTrip[K interface {
	Bytes() []byte
	Equal(K) bool
	IsZero() bool
}](t *testing.T, name string, generate func() K, parse func([]byte) (K, error)) {
	t.Run(name, func(t *testing.T) {
		var zero K
		a, b := generate(), generate()
		if !zero.IsZero() || !zero.Equal(zero) || zero.Equal(a) || a.Equal(zero) || a.IsZero() {
			t.Error("the zero key and a random one are not told apart")
		}
		if !a.Equal(a) || a.Equal(b) {
			t.Error("Equal is wrong")
		}
		got, err := parse(a.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(a) || !bytes.Equal(got.Bytes(), a.Bytes()) {
			t.Error("parsing Bytes gives another key")
		}
		a.Bytes()[0] ^= 1
		if !got.Equal(a) {
			t.Error("Bytes gives access to the key")
		}
		for _, bad := range [][]byte{nil, a.Bytes()[1:], append(a.Bytes(), 0)} {
			if k, err := parse(bad); !errors.Is(err, key.ErrInvalid) || !k.IsZero() {
				t.Errorf("%d bytes: error %v, want ErrInvalid and no key", len(bad), err)
			}
		}
	})
}

func TestRoundTrip(t *testing.T) {
	roundTrip(t, "Identity", key.NewIdentity, key.ParseIdentity)
	roundTrip(t, "Device", key.NewDevice, key.ParseDevice)
	roundTrip(t, "DH", key.NewDH, key.ParseDH)
	roundTrip(t, "KEM", key.NewKEM, key.ParseKEM)
	roundTrip(t, "Message", key.NewMessage, key.ParseMessage)
	roundTrip(t, "Chain", key.NewChain, key.ParseChain)
	roundTrip(t, "File", key.NewFile, key.ParseFile)
	roundTrip(t, "Epoch", key.NewEpoch, key.ParseEpoch)
	roundTrip(t, "Store", key.NewStore, key.ParseStore)
	roundTrip(t, "Sync", key.NewSync, key.ParseSync)
	roundTrip(t, "IdentityPublic", func() key.IdentityPublic { return key.NewIdentity().Public() }, key.ParseIdentityPublic)
	roundTrip(t, "DHPublic", func() key.DHPublic { return key.NewDH().Public() }, key.ParseDHPublic)
	roundTrip(t, "KEMPublic", func() key.KEMPublic { return key.NewKEM().Public() }, key.ParseKEMPublic)
}

func TestVault(t *testing.T) {
	a, b := vault(t, 1), vault(t, 2)
	if !a.Equal(vault(t, 1)) || a.Equal(b) || a.IsZero() {
		t.Error("the vault key does not follow from the export key")
	}
	// Frozen: a vault that was written once must open for ever.
	if got := hex.EncodeToString(a.Bytes()); got != vaultGolden {
		t.Errorf("derivation changed: %s", got)
	}
	for _, n := range []int{0, 32, 63, 65} {
		if _, err := key.VaultFromExport(make([]byte, n)); !errors.Is(err, key.ErrInvalid) {
			t.Errorf("%d bytes: error %v, want ErrInvalid", n, err)
		}
	}
	if !bytes.Equal(a.Sealing().Bytes(), a.Bytes()) {
		t.Error("Sealing gives another key")
	}
}

// HKDF-Expand-SHA-256(64 bytes 0x01, "tryst vault key v1", 32), by another
// implementation.
const vaultGolden = "504f982c488a4b9c4867f127533a1156544affee3a99177991dde3acec778a91"

// RFC 8032, section 7.1, test 2.
func TestEd25519Vector(t *testing.T) {
	seed := unhex(t, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
	public := unhex(t, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
	signature := unhex(t, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
	msg := []byte{0x72}

	identity, err := key.ParseIdentity(seed)
	if err != nil {
		t.Fatal(err)
	}
	if got := identity.Public().Bytes(); !bytes.Equal(got, public) {
		t.Errorf("identity public key %x", got)
	}
	if got := identity.Sign(msg); !bytes.Equal(got, signature) {
		t.Errorf("identity signature %x", got)
	}
	device, err := key.ParseDevice(append(bytes.Clone(seed), public...))
	if err != nil {
		t.Fatal(err)
	}
	if got := device.Public(); !bytes.Equal(got, public) {
		t.Errorf("device public key %x", got)
	}
	if got := device.Sign(msg); !bytes.Equal(got, signature) {
		t.Errorf("device signature %x", got)
	}
	for i := range signature {
		bad := bytes.Clone(signature)
		bad[i] ^= 1
		if identity.Public().Verify(msg, bad) {
			t.Errorf("verifies with byte %d of the signature flipped", i)
		}
	}
	if identity.Public().Verify([]byte{0x73}, signature) || identity.Public().Verify(msg, signature[:63]) {
		t.Error("verifies what was not signed")
	}
}

func TestDeviceHalvesMustFit(t *testing.T) {
	b := key.NewDevice().Bytes()
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		if _, err := key.ParseDevice(bad); !errors.Is(err, key.ErrInvalid) {
			t.Errorf("byte %d flipped: error %v, want ErrInvalid", i, err)
		}
	}
}

// RFC 7748, section 6.1.
func TestX25519Vector(t *testing.T) {
	private := [2]string{
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
	}
	public := [2]string{
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
	}
	const shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
	for i := range private {
		own, err := key.ParseDH(unhex(t, private[i]))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(own.Public().Bytes()); got != public[i] {
			t.Errorf("public key %d is %s", i, got)
		}
		peer, err := key.ParseDHPublic(unhex(t, public[1-i]))
		if err != nil {
			t.Fatal(err)
		}
		got, err := own.Shared(peer)
		if err != nil || hex.EncodeToString(got[:]) != shared {
			t.Errorf("agreement %d is %x, %v", i, got, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	k := key.NewIdentity().Public()
	groups := strings.Fields(k.Fingerprint())
	if len(groups) != 8 {
		t.Fatalf("%q has %d groups, want 8", k.Fingerprint(), len(groups))
	}
	for _, g := range groups {
		if len(g) != 4 {
			t.Errorf("group %q", g)
		}
	}
	if k.Fingerprint() == key.NewIdentity().Public().Fingerprint() {
		t.Error("two keys have one fingerprint")
	}
}

func TestLowOrderPoints(t *testing.T) {
	own := key.NewDH()
	// The points of order 1, 2, 4 and 8, and their non-canonical forms below 2^255.
	for _, s := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		p, err := key.ParseDHPublic(unhex(t, s))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := own.Shared(p); !errors.Is(err, key.ErrLowOrder) {
			t.Errorf("%s: error %v, want ErrLowOrder", s, err)
		}
	}
}

func TestKEM(t *testing.T) {
	k := key.NewKEM()
	sent, ciphertext, err := k.Public().Encapsulate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Decapsulate(ciphertext)
	if err != nil || got != sent {
		t.Fatalf("the two secrets differ: %v", err)
	}
	ciphertext[7] ^= 1
	if got, err := k.Decapsulate(ciphertext); err != nil || got == sent {
		t.Errorf("implicit rejection: error %v, same secret %v", err, got == sent)
	}
	if _, err := k.Decapsulate(ciphertext[1:]); !errors.Is(err, key.ErrInvalid) {
		t.Errorf("short ciphertext: error %v, want ErrInvalid", err)
	}
	// FIPS 203, section 7.2: a coefficient above q - 1 is refused.
	bad := bytes.Repeat([]byte{0xff}, key.KEMPublicSize)
	if _, err := key.ParseKEMPublic(bad); !errors.Is(err, key.ErrInvalid) {
		t.Errorf("coefficients out of range: error %v, want ErrInvalid", err)
	}
}

func TestUnsetKeysErr(t *testing.T) {
	if _, err := (key.DH{}).Shared(key.NewDH().Public()); !errors.Is(err, key.ErrUnset) {
		t.Errorf("DH: %v", err)
	}
	if _, err := (key.KEM{}).Decapsulate(make([]byte, key.KEMCiphertextSize)); !errors.Is(err, key.ErrUnset) {
		t.Errorf("KEM: %v", err)
	}
	if _, _, err := (key.KEMPublic{}).Encapsulate(); !errors.Is(err, key.ErrUnset) {
		t.Errorf("KEMPublic: %v", err)
	}
	if !(key.DH{}).Public().IsZero() || !(key.KEM{}).Public().IsZero() {
		t.Error("an unset key has a public half")
	}
}

func TestChain(t *testing.T) {
	c := key.ChainFrom([key.Size]byte{})
	// HMAC-SHA-256 under 32 zero bytes of 01 and of 02, by another implementation.
	if got := hex.EncodeToString(c.Message().Bytes()); got != "3d7afb663124ecbf2c953f863d4fc8796eeb2d372b64aad58697ec5264649cdb" {
		t.Errorf("message key %s", got)
	}
	if got := hex.EncodeToString(c.Next().Bytes()); got != "4ee7be0c7872360ca67414608081e9bd60fd580a7bbd209701d2a5a0b4316d0d" {
		t.Errorf("next chain key %s", got)
	}
}

// FuzzAgreement agrees with whatever may be sent as a public key or a ciphertext:
// nothing panics, and a secret of zero never comes out.
func FuzzAgreement(f *testing.F) {
	own, kem := key.NewDH(), key.NewKEM()
	f.Add(make([]byte, key.Size))
	f.Add(key.NewDH().Public().Bytes())
	f.Add(make([]byte, key.KEMCiphertextSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if peer, err := key.ParseDHPublic(b); err == nil {
			shared, err := own.Shared(peer)
			if (err != nil) != (shared == [key.Size]byte{}) {
				t.Errorf("agreed on %x with %x, %v", shared, b, err)
			}
		}
		if shared, err := kem.Decapsulate(b); (err != nil) != (len(b) != key.KEMCiphertextSize) || err == nil && shared == [key.Size]byte{} {
			t.Errorf("decapsulated %x of %d bytes, %v", shared, len(b), err)
		}
	})
}

// FuzzParse checks that what any Parse function accepts it also returns.
func FuzzParse(f *testing.F) {
	for _, k := range secrets(f) {
		f.Add(k.Bytes())
	}
	f.Add(key.NewKEM().Public().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(name string, got []byte, err error) {
			if err == nil && !bytes.Equal(got, b) {
				t.Errorf("%s: parsed %x into %x", name, b, got)
			}
		}
		identity, err := key.ParseIdentity(b)
		check("Identity", identity.Bytes(), err)
		public, err := key.ParseIdentityPublic(b)
		check("IdentityPublic", public.Bytes(), err)
		device, err := key.ParseDevice(b)
		check("Device", device.Bytes(), err)
		dh, err := key.ParseDH(b)
		check("DH", dh.Bytes(), err)
		kem, err := key.ParseKEM(b)
		check("KEM", kem.Bytes(), err)
		kemPublic, err := key.ParseKEMPublic(b)
		check("KEMPublic", kemPublic.Bytes(), err)
		dhPublic, err := key.ParseDHPublic(b)
		check("DHPublic", dhPublic.Bytes(), err)
		message, err := key.ParseMessage(b)
		check("Message", message.Bytes(), err)
		chain, err := key.ParseChain(b)
		check("Chain", chain.Bytes(), err)
		file, err := key.ParseFile(b)
		check("File", file.Bytes(), err)
		epoch, err := key.ParseEpoch(b)
		check("Epoch", epoch.Bytes(), err)
		store, err := key.ParseStore(b)
		check("Store", store.Bytes(), err)
		sync, err := key.ParseSync(b)
		check("Sync", sync.Bytes(), err)
	})
}
