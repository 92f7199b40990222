package rendezvous

import (
	"context"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/record"
	"github.com/tryst-chat/tryst/rendezvous/wire/pb"
)

// access is who may ask something.
type access int

const (
	// anybody may ask what proves itself, by a password or by a signature of
	// the account's identity key.
	anybody access = iota
	// devices may ask if the connection's peer ID is an active device of an
	// account now. There are no tokens: the connection is the proof.
	devices
)

// caller is who asks.
type caller struct {
	device  peer.ID        // as the connection proved it
	account record.Account // whose device it is; empty where anybody may ask
}

// route is how one kind of request is treated.
type route struct {
	kind   string // for metrics
	access access
	// atOnce: the answer does not come from the directory, so that it waits
	// for no index.
	atOnce bool
	answer func(context.Context, caller) (*pb.Response, error)
}

// routeOf is the table of requests: which there are and who may ask them. It
// returns false for a kind that this version does not know.
func (s *Server) routeOf(req *pb.Request) (route, bool) {
	switch m := req.GetKind().(type) {
	case *pb.Request_Hello:
		return route{"hello", anybody, true, func(context.Context, caller) (*pb.Response, error) { return done(0), nil }}, true
	case *pb.Request_GetTerms:
		return to("get_terms", anybody, s.getTerms, m.GetTerms), true
	case *pb.Request_StartRegistration:
		return to("start_registration", anybody, s.startRegistration, m.StartRegistration), true
	case *pb.Request_SignUp:
		return to("sign_up", anybody, s.signUp, m.SignUp), true
	case *pb.Request_StartLogin:
		return to("start_login", anybody, s.startLogin, m.StartLogin), true
	case *pb.Request_FinishLogin:
		return to("finish_login", anybody, s.finishLogin, m.FinishLogin), true
	case *pb.Request_AppendDevice:
		return to("append_device", anybody, s.appendDevice, m.AppendDevice), true
	case *pb.Request_PublishKeys:
		return to("publish_keys", devices, s.publishKeys, m.PublishKeys), true
	case *pb.Request_LookUp:
		return to("look_up", devices, s.lookUp, m.LookUp), true
	case *pb.Request_TakeKeys:
		return to("take_keys", devices, s.takeKeys, m.TakeKeys), true
	case *pb.Request_BeginGeneration:
		return to("begin_generation", devices, s.beginGeneration, m.BeginGeneration), true
	case *pb.Request_Announce:
		return to("announce", devices, s.announce, m.Announce), true
	case *pb.Request_Withdraw:
		return to("withdraw", devices, s.withdraw, m.Withdraw), true
	case *pb.Request_FindPeers:
		return to("find_peers", devices, s.findPeers, m.FindPeers), true
	case *pb.Request_GetPermit:
		return to("get_permit", devices, s.getPermit, m.GetPermit), true
	case *pb.Request_AppendGroup:
		return to("append_group", devices, s.appendGroup, m.AppendGroup), true
	case *pb.Request_ListGroups:
		return to("list_groups", devices, s.listGroups, m.ListGroups), true
	case *pb.Request_GetGroup:
		return to("get_group", devices, s.getGroup, m.GetGroup), true
	case *pb.Request_SetContacts:
		return to("set_contacts", devices, s.setContacts, m.SetContacts), true
	case *pb.Request_GetContacts:
		return to("get_contacts", devices, s.getContacts, m.GetContacts), true
	case *pb.Request_PutMail:
		return to("put_mail", devices, s.putMail, m.PutMail), true
	case *pb.Request_FetchMail:
		return to("fetch_mail", devices, s.fetchMail, m.FetchMail), true
	case *pb.Request_PutGroupMail:
		return to("put_group_mail", devices, s.putGroupMail, m.PutGroupMail), true
	case *pb.Request_FetchGroupMail:
		return to("fetch_group_mail", devices, s.fetchGroupMail, m.FetchGroupMail), true
	default:
		return route{}, false
	}
}

// to binds a method that answers one kind of message to the message that came.
func to[M any](kind string, who access, answer func(context.Context, caller, M) (*pb.Response, error), m M) route {
	return route{kind: kind, access: who, answer: func(ctx context.Context, c caller) (*pb.Response, error) {
		return answer(ctx, c, m)
	}}
}

// done is the answer to a command that took effect at an index of the
// directory.
func done(index uint64) *pb.Response {
	return &pb.Response{Index: index, Kind: &pb.Response_Done{Done: &pb.Done{}}}
}
