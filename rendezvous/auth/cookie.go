package auth

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// CookieSize is the size of a cookie, in bytes: nonce || sealed (time || client
// MAC || session key) || tag.
//
// The cipher is XChaCha20-Poly1305 for its nonce of 192 bits: anybody may have
// cookies made as fast as the servers can, and random nonces of 96 bits are good
// for 2^32 of them under one key, which is a matter of days.
const CookieSize = chacha20poly1305.NonceSizeX + 8 + macLen + hashLen + chacha20poly1305.Overhead

// cookieState is what the server must remember between KE2 and KE3.
type cookieState struct {
	redacted
	clientMAC []byte
	session   SessionKey
}

// sealCookie seals the state and the time, and binds the account and b.
func (s *Server) sealCookie(state cookieState, account string, b Binding, now time.Time) []byte {
	plain := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	plain = append(plain, state.clientMAC...)
	plain = append(plain, state.session.key[:]...)
	nonce := randomBytes(chacha20poly1305.NonceSizeX)
	return s.cookies.Seal(nonce, nonce, plain, b.cookieData(account))
}

// openCookie undoes sealCookie. It fails with ErrCookie or ErrCookieExpired.
func (s *Server) openCookie(cookie []byte, account string, b Binding, now time.Time) (cookieState, error) {
	if len(cookie) != CookieSize {
		return cookieState{}, ErrCookie
	}
	nonce, sealed := cookie[:chacha20poly1305.NonceSizeX], cookie[chacha20poly1305.NonceSizeX:]
	plain, err := s.cookies.Open(nil, nonce, sealed, b.cookieData(account))
	if err != nil {
		return cookieState{}, ErrCookie
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
	if age := now.Sub(made); age > cookieLifetime || age < -cookieSkew {
		return cookieState{}, fmt.Errorf("%w: made %v ago", ErrCookieExpired, age.Round(time.Second))
	}
	plain = plain[8:]
	var state cookieState
	state.clientMAC = slices.Clone(plain[:macLen])
	copy(state.session.key[:], plain[macLen:])
	return state, nil
}
