package build

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// httpClient returns what ADD downloads with. The way out is that of RUN: the proxies
// of --build-arg, or else those of the environment.
func (b *builder) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy: proxyFor(func(name string) string {
			for _, name := range []string{strings.ToLower(name), name} {
				if v, ok := b.Args[name]; ok {
					return v
				}
			}
			for _, name := range []string{strings.ToLower(name), name} {
				if v := os.Getenv(name); v != "" {
					return v
				}
			}
			return ""
		}),
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 30 * time.Second,
		ForceAttemptHTTP2:   true,
		DisableCompression:  true, // the file as it is: it may be a .gz
		DisableKeepAlives:   true,
	}}
}

// proxyFor decides which proxy a request goes through, by the variables that curl(1)
// describes: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, and NO_PROXY for the exceptions.
func proxyFor(lookup func(name string) string) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		proxy := lookup(strings.ToUpper(r.URL.Scheme) + "_PROXY")
		if proxy == "" {
			proxy = lookup("ALL_PROXY")
		}
		if proxy == "" || excepted(r.URL, lookup("NO_PROXY")) {
			return nil, nil
		}
		if !strings.Contains(proxy, "://") {
			proxy = "http://" + proxy
		}
		return url.Parse(proxy)
	}
}

// excepted reports whether a list of exceptions, separated by commas, has a host:
// "*" is all; "10.0.0.0/8" the addresses of a network; "example.com" that host and all
// below it, and so is ".example.com". Each may end in a port.
func excepted(u *url.URL, list string) bool {
	address, err := netip.ParseAddr(u.Hostname())
	isAddress := err == nil
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if host, port, err := net.SplitHostPort(entry); err == nil {
			if port != portOf(u) {
				continue
			}
			entry = host
		}
		network, err := netip.ParsePrefix(entry)
		name := strings.TrimPrefix(entry, ".")
		host := strings.ToLower(u.Hostname())
		switch {
		case entry == "*", isAddress && err == nil && network.Contains(address):
			return true
		case name != "" && (host == name || !isAddress && strings.HasSuffix(host, "."+name)):
			return true
		}
	}
	return false
}

// portOf is the port of a URL, written or not.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
