package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
)

// A frame is a protobuf message behind its length as an unsigned varint.

// ErrFrame is returned for a frame that is too long or does not parse. The
// stream it came from is of no more use.
var ErrFrame = errors.New("wire: bad frame")

// WriteFrame writes one message in a single Write.
func WriteFrame(w io.Writer, m proto.Message) error {
	size := proto.Size(m)
	buf := make([]byte, 0, binary.MaxVarintLen32+size)
	buf = binary.AppendUvarint(buf, uint64(size))
	buf, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(buf, m)
	if err != nil {
		return fmt.Errorf("wire: marshal: %w", err)
	}
	_, err = w.Write(buf)
	return err
}

// Reader reads frames of at most max bytes from one stream. It is not safe
// for concurrent use.
type Reader struct {
	r   *bufio.Reader
	max uint64
}

// NewReader returns a Reader; it may read ahead, so that nothing else may read
// from r afterwards.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: bufio.NewReader(r), max: uint64(max)}
}

// Read reads one message. At the clean end of the stream it returns io.EOF;
// for a frame that is too long or malformed ErrFrame. Memory is taken as bytes
// arrive, not as the length promises.
func (r *Reader) Read(m proto.Message) error {
	size, err := binary.ReadUvarint(r.r)
	if err != nil {
		return err
	}
	if size > r.max {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrFrame, size, r.max)
	}
	buf, err := io.ReadAll(io.LimitReader(r.r, int64(size)))
	if err != nil {
		return err
	}
	if uint64(len(buf)) < size {
		return io.ErrUnexpectedEOF
	}
	if err := proto.Unmarshal(buf, m); err != nil {
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return nil
}
