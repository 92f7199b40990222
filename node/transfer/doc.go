// Package transfer is the protocol of sending a file: what a manifest says,
// how a file is cut into sealed chunks, and how the receiver knows that what it
// has is the file and all of it. It is pure: the caller reads and writes the
// files and moves the chunks.
//
// A file is cut into chunks of seal.ChunkSize bytes; an empty file is one empty
// chunk. Each chunk is sealed under the file key with its place in the file
// (package seal, Stream). The manifest, which travels sealed by a session or a
// sender chain, holds the file key and a root: SHA-256 over the SHA-256 hashes
// of all chunks. The list of hashes goes ahead of the chunks, so that each
// chunk is checked alone, whoever serves it, at whatever place a transfer
// begins again.
//
// The hashes are over the chunks' plaintext, not over the sealed chunks: the
// sender then seals each chunk once, when it is asked for, keeps no sealed copy
// on disk, and notices before anything leaves when the file is no longer the
// one that it announced. A chunk sealed again is the same bytes, since its
// content is proved the same. The hashes therefore stay between people who hold
// the manifest: they travel sealed as well.
package transfer
