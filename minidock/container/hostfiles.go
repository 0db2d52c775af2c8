//go:build linux

package container

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"minidock.dev/minidock/explain"
)

// WriteHostFiles writes the three files into dir that make names work in a
// container: resolv.conf, hosts and hostname. They are bind-mounted, so they
// follow the machine at each start and are no change of the writable layer.
func WriteHostFiles(ctx context.Context, dir string, c Config) error {
	explain.Step(ctx, "write resolv.conf, hosts and hostname")
	for name, content := range map[string]string{
		"resolv.conf": resolvConf(c.Network),
		"hosts":       hosts(c),
		"hostname":    c.Hostname + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("write host files: %w", err)
		}
		if err := os.Chmod(path, 0o644); err != nil { // whatever the umask: every user inside reads them
			return fmt.Errorf("write host files: %w", err)
		}
	}
	return nil
}

// resolvConf is the host's. In the host's network all of its name servers can
// be reached; elsewhere those on its loopback addresses cannot. systemd-resolved
// is such a one, and keeps the real ones in a file of its own.
func resolvConf(network string) string {
	host, _ := os.ReadFile("/etc/resolv.conf")
	if network != "none" {
		return string(host)
	}
	if strings.Contains(string(host), "nameserver 127.0.0.53") {
		if real, err := os.ReadFile("/run/systemd/resolve/resolv.conf"); err == nil {
			host = real
		}
	}
	return withoutLoopback(string(host))
}

// withoutLoopback drops the name servers that only the host can reach. When none
// is left, docker takes Google's.
func withoutLoopback(conf string) string {
	var kept strings.Builder
	servers := 0
	for line := range strings.Lines(conf) {
		field := strings.Fields(line)
		if len(field) > 1 && field[0] == "nameserver" {
			if addr, err := netip.ParseAddr(field[1]); err == nil && addr.IsLoopback() {
				continue
			}
			servers++
		}
		kept.WriteString(line)
	}
	if servers == 0 {
		kept.WriteString("nameserver 8.8.8.8\nnameserver 8.8.4.4\n")
	}
	return kept.String()
}

const defaultHosts = "127.0.0.1\tlocalhost\n" +
	"::1\tlocalhost ip6-localhost ip6-loopback\n" +
	"fe00::\tip6-localnet\n" +
	"ff00::\tip6-mcastprefix\n" +
	"ff02::1\tip6-allnodes\n" +
	"ff02::2\tip6-allrouters\n"

// hostGateway stands for the address under which a container reaches its host.
const hostGateway = "host-gateway"

// hosts is the usual list, or in the host's network the host's, and the
// container's own name, which many programs look up when they start.
func hosts(c Config) string {
	list := defaultHosts
	if c.Network != "none" {
		if b, err := os.ReadFile("/etc/hosts"); err == nil {
			list = strings.TrimRight(string(b), "\n") + "\n"
		}
	}
	for _, extra := range c.ExtraHosts {
		name, address, _ := strings.Cut(extra, ":") // an IPv6 address has more of them
		if address == hostGateway {
			address = "127.0.0.1" // the container is in the host's network, or in none
		}
		list += address + "\t" + name + "\n"
	}
	return list + "127.0.0.1\t" + c.Hostname + "\n"
}
