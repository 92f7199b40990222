package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/tryst-chat/tryst/cmd/service"
	"github.com/tryst-chat/tryst/rendezvous"
	"github.com/tryst-chat/tryst/rendezvous/backup"
)

const backupHelp = `Write all that the directory holds into a file, from a server that runs on this
machine; one server is enough, since all hold the same. Nobody has to wait for it.

The file is complete only once the command has said so: until then it has the ending
.part. With "-" it goes to standard output, and "rendezvous restore --check" tells
whether it arrived whole.

In it are accounts, groups, keys, and letters that wait, sealed as they are; who
belongs to which group and who wrote to whom can be read from it. Not in it are the
folders' keys and opaque.secrets. Keep a copy of the folder that "rendezvous init" made
as well, apart from the backups: without opaque.secrets nobody could log in again.`

func backupCommand() *cobra.Command {
	var dir string
	var stale bool
	c := &cobra.Command{
		Use:   "backup FILE --dir DIR",
		Short: "Write the directory into a file",
		Long:  backupHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return writeBackup(c.Context(), c.OutOrStdout(), dir, args[0], stale)
		},
	}
	dirFlag(c, &dir)
	c.Flags().BoolVar(&stale, "stale", false, "take what this server has, though there is no quorum")
	return c
}

func writeBackup(ctx context.Context, out io.Writer, dir, path string, stale bool) error {
	question := "/backup"
	if stale {
		question += "?stale=yes"
	}
	body, err := adminOf(dir).ask(ctx, http.MethodGet, question)
	if err != nil {
		return err
	}
	defer body.Close()
	if path == "-" {
		_, err := io.Copy(out, body)
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is there already; nothing was changed", path)
	}
	part := path + ".part"
	header, err := fill(part, body)
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the backup was not finished: %w", err), os.RemoveAll(part))
	}
	fmt.Fprintf(out, "%s holds %s. Keep opaque.secrets as well, but not beside it.\n", path, holds(header))
	return nil
}

// fill writes a backup into a file, and reads it while it does: a file that is named
// as a backup is one.
func fill(path string, body io.Reader) (backup.Header, error) {
	const owner = 0o600
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, owner)
	if err != nil {
		return backup.Header{}, err
	}
	header, err := check(io.TeeReader(body, f))
	return header, errors.Join(err, f.Sync(), f.Close())
}

// check reads a backup to its end.
func check(r io.Reader) (backup.Header, error) {
	b, err := backup.NewReader(r)
	if err != nil {
		return backup.Header{}, err
	}
	for {
		key, _, err := b.Next()
		if err != nil || key == nil {
			return b.Header, err
		}
	}
}

func holds(h backup.Header) string {
	return fmt.Sprintf("the directory of %s UTC, as %s had it: %d accounts and %d groups, up to entry %d",
		h.Created.Format("2006-01-02 15:04:05"), h.Server, h.Accounts, h.Groups, h.Index)
}

const restoreHelp = `Put a backup into the folder of a server, which then is a cluster of one:

  rendezvous restore FILE --dir s1
  rendezvous run --dir s1

The folder is one of the same cluster, with its keys and opaque.secrets, and holds no
state: one from "rendezvous init", or from "rendezvous add". Stop all other servers of
the cluster first and delete their folders: they do not come back, since what they know
is another story. Make new ones with "rendezvous add".

What was done after the backup is lost: accounts sign up again, groups are made again,
and devices that were revoked since have to be revoked again. People's devices go on by
themselves; those that have started since the backup begin their sessions anew.

With --check the file is only read to its end.`

func restoreCommand() *cobra.Command {
	var dir, keys string
	var only bool
	c := &cobra.Command{
		Use:   "restore FILE --dir DIR",
		Short: "Put a backup back, as a cluster of one",
		Long:  restoreHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return restore(c.OutOrStdout(), dir, cmp.Or(keys, dir), args[0], only)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the folder of the server")
	service.KeysFlag(c, &keys)
	c.Flags().BoolVar(&only, "check", false, "only read the file and say what it holds")
	c.MarkFlagsOneRequired("dir", "check")
	c.MarkFlagsMutuallyExclusive("dir", "check")
	return c
}

func restore(out io.Writer, dir, keys, path string, only bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if only {
		header, err := check(f)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintf(out, "%s is whole and holds %s.\n", path, holds(header))
		return nil
	}
	header, err := rendezvous.Restore(dir, keys, f)
	if errors.Is(err, rendezvous.ErrState) {
		return fmt.Errorf("%s holds a state already; nothing was changed. To give it up for the backup, move the folder \"data\" in there away", dir)
	}
	if err != nil {
		return fmt.Errorf("nothing was restored from %s: %w", path, err)
	}
	fmt.Fprintf(out, "%s holds %s.\n\nStart it with: rendezvous run --dir %s\nThen make further servers with: rendezvous add\n", dir, holds(header), dir)
	return nil
}
