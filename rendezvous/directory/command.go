package directory

import (
	"crypto/ed25519"

	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
	"github.com/tryst-chat/tryst/rendezvous/record"
)

// SignUp makes an account with its OPAQUE record, its vault, its identity key
// (Ed25519 public, 32 bytes) and the signed first entry of its device log. It
// results in wire.ErrNameTaken for a name that was ever given, and in wire.ErrTerms or
// wire.ErrInvitation where the pass is not what the terms ask for.
func SignUp(account record.Account, opaqueRecord, vault []byte, identity ed25519.PublicKey, device []byte, pass Pass) []byte {
	return encode(&pb.Command{Kind: &pb.Command_SignUp{SignUp: &pb.SignUp{
		Account: string(account), OpaqueRecord: opaqueRecord, Vault: vault, Identity: identity, Device: device,
		Invitation: pass.Invitation, Bits: uint32(pass.Bits),
	}}})
}

// AppendDevice appends a signed entry to an account's device log. It results in
// wire.ErrConflict if the entry does not follow the head.
func AppendDevice(account record.Account, entry []byte) []byte {
	return encode(&pb.Command{Kind: &pb.Command_AppendDevice{AppendDevice: &pb.AppendDevice{
		Account: string(account), Entry: entry,
	}}})
}

// PublishKeys replaces a device's signed bundle, unless it is empty, and adds
// signed one-time prekeys, whose IDs must rise from 1 over the device's life.
// It results in wire.ErrFull above record.MaxPrekeys.
func PublishKeys(account record.Account, device peer.ID, bundle []byte, oneTime ...[]byte) []byte {
	return encode(&pb.Command{Kind: &pb.Command_PublishKeys{PublishKeys: &pb.PublishKeys{
		Account: string(account), Device: []byte(device), Bundle: bundle, OneTime: oneTime,
	}}})
}

// TakeKeys takes the bundles of 1 to record.MaxDevices devices, each with a
// one-time prekey. The result's Value is for ParseTakenKeys.
func TakeKeys(account record.Account, devices []peer.ID) []byte {
	raw := make([][]byte, len(devices))
	for i, device := range devices {
		raw[i] = []byte(device)
	}
	return encode(&pb.Command{Kind: &pb.Command_TakeKeys{TakeKeys: &pb.TakeKeys{
		Account: string(account), Devices: raw,
	}}})
}

// BeginGeneration counts a start of a device. generation is what the device knows
// as the number of its last one, 0 before the first; the number is raised only if
// it is the directory's too. The token (wire.TokenSize random bytes) is of this
// start alone, so that a command whose answer was lost may be given again. renew
// says that the device does not have the private halves of its one-time prekeys any
// more: they go, if the number is raised. The result's Value is for ParseGeneration.
func BeginGeneration(account record.Account, device peer.ID, generation uint64, token []byte, renew bool) []byte {
	return encode(&pb.Command{Kind: &pb.Command_BeginGeneration{BeginGeneration: &pb.BeginGeneration{
		Account: string(account), Device: []byte(device), Generation: generation, Token: token, Renew: renew,
	}}})
}

// AppendGroup appends a signed membership statement; CreateGroup begins a
// chain. It results in wire.ErrConflict if the statement does not follow the
// head, in wire.ErrGroupTaken for a name in use.
func AppendGroup(statement []byte) []byte {
	return encode(&pb.Command{Kind: &pb.Command_AppendGroup{AppendGroup: &pb.AppendGroup{Statement: statement}}})
}

// SetContacts changes whom an account lets in, on behalf of one of its devices. It
// results in wire.ErrConflict if there was another change after the one that it
// names, and in wire.ErrFull above wire.MaxAccepted or wire.MaxBlocked.
func SetContacts(account record.Account, device peer.ID, c ContactChange) []byte {
	return encode(&pb.Command{Kind: &pb.Command_SetContacts{SetContacts: &pb.SetContacts{
		Account: string(account), Device: []byte(device), Version: c.Version, Token: c.Token, Policy: uint32(c.Policy),
		Accepted: names(c.Accepted), Blocked: names(c.Blocked), Forgotten: names(c.Forgotten),
	}}})
}

func names(accounts []record.Account) []string {
	names := make([]string, len(accounts))
	for i, a := range accounts {
		names[i] = string(a)
	}
	return names
}

// encode marshals a command. Names are checked where they are parsed, so that
// invalid UTF-8, all that can fail here, gives an empty command, which changes
// nothing.
func encode(c *pb.Command) []byte {
	raw, err := proto.Marshal(c)
	if err != nil {
		return nil
	}
	return raw
}
