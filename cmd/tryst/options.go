package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// options are the flags, each of which may stand in the environment too.
type options struct {
	home       string
	balancers  []string
	clusterKey string
	listen     int
	plain      bool
	json       bool
	downloads  string
	log        string

	homeGiven bool // by flag or environment
}

func (o *options) flags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVar(&o.home, "home", "", "folder of this node's state (default: tryst in the XDG data folder)")
	f.StringArrayVar(&o.balancers, "balancer", nil, "address of a balancer: a multiaddr, host:port, or a port of this machine; may be repeated\n(default: the testnet of this machine, else those of the last time)")
	f.StringVar(&o.clusterKey, "cluster-key", "", "the cluster's public key, 64 hexadecimal digits (default: learned at first use)")
	f.IntVar(&o.listen, "listen", 0, "port for other nodes (default: any)")
	f.BoolVar(&o.plain, "plain", false, "one command a line in, one event a line out")
	f.BoolVar(&o.json, "json", false, "like --plain, with every event as a JSON object")
	f.StringVar(&o.downloads, "downloads", "", "folder for received files (default: downloads in --home)")
	f.StringVar(&o.log, "log", "", "file to which a log is added (default: no log)")
}

// fromEnvironment fills in the flags that were not given: --home from
// TRYST_HOME, and so on. Several balancers stand with blanks between them.
func (o *options) fromEnvironment(f *pflag.FlagSet) error {
	var err error
	f.VisitAll(func(flag *pflag.Flag) {
		name := "TRYST_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if flag.Changed || !ok || value == "" || err != nil {
			return
		}
		values := []string{value}
		if flag.Name == "balancer" {
			values = strings.Fields(value)
		}
		for _, v := range values {
			if e := f.Set(flag.Name, v); e != nil {
				err = fmt.Errorf("%w: %s: %w", errUsage, name, e)
			}
		}
	})
	o.homeGiven = o.home != ""
	return err
}

// check refuses what cannot be meant, and makes paths absolute.
func (o *options) check() error {
	if o.listen < 0 || o.listen > 65535 {
		return fmt.Errorf("%w: --listen %d is not a port", errUsage, o.listen)
	}
	if o.clusterKey != "" {
		if key, err := hex.DecodeString(o.clusterKey); err != nil || len(key) != 32 {
			return fmt.Errorf("%w: --cluster-key is not 64 hexadecimal digits", errUsage)
		}
	}
	for _, address := range o.balancers {
		if _, err := parseBalancer(address); err != nil {
			return err
		}
	}
	for _, path := range []*string{&o.home, &o.downloads, &o.log} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		*path = absolute
	}
	return nil
}

// defaultHome is the folder of the XDG Base Directory Specification.
func defaultHome() (string, error) {
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "tryst"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no home folder (%w); say where to keep state with --home DIR", err)
	}
	return filepath.Join(home, ".local", "share", "tryst"), nil
}
