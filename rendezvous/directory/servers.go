package directory

import (
	"errors"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tryst-chat/tryst/rendezvous/directory/pb"
)

// Who replicates the directory is the cluster's own affair and stands in its log.
// Who no longer does stands here: a key that was once taken out, perhaps since the
// machine was stolen, must not come back with the certificate that it still has.

// RetireServer notes that a server was taken out of the cluster for good. Doing it
// again changes nothing.
func RetireServer(server peer.ID) []byte {
	return encode(&pb.Command{Kind: &pb.Command_RetireServer{RetireServer: &pb.RetireServer{Server: []byte(server)}}})
}

func keyRetired(server peer.ID) []byte { return append([]byte("z"), server...) }

func retireServer(w Writer, c *pb.RetireServer) error {
	server, err := parseDevice(c.GetServer())
	if err != nil {
		return err
	}
	return w.Set(keyRetired(server), nil)
}

// Retired reports whether a server was taken out of the cluster.
func (d *Directory) Retired(server peer.ID) (retired bool, err error) {
	err = d.store.View(func(r Reader) error {
		_, err := r.Get(keyRetired(server))
		retired = err == nil
		if errors.Is(err, ErrMissing) {
			return nil
		}
		return err
	})
	return retired, err
}
