package cli

import (
	"encoding/csv"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"minidock.dev/minidock/oci"
	"minidock.dev/minidock/reference"
)

// building is the flags of build, and below what parse has made of them.
type building struct {
	tags, args, labels, secrets  []string
	ulimits, addHosts, outputTo  []string
	file, target, progress       string
	iidFile, metadataFile        string
	timestamp, platform, network string
	noCache, pull, quiet, squash bool
	check, explain, rm, forceRM  bool
	compress, load               bool

	names   []reference.Reference
	time    *time.Time
	hosts   []string // NAME:ADDRESS
	outputs []buildOutput
	system  oci.Platform // zero without --platform
}

func (opt *building) define(flags *pflag.FlagSet) {
	flags.StringArrayVar(&opt.addHosts, "add-host", nil, "Add a custom host-to-IP mapping (\"host:ip\")")
	flags.StringArrayVar(&opt.args, "build-arg", nil, "Set build-time variables")
	flags.BoolVar(&opt.check, "check", false, "Check the Dockerfile for mistakes and bad habits, and build nothing")
	flags.BoolVar(&opt.compress, "compress", false, "Compress the build context using gzip (no context is sent anywhere: no effect)")
	flags.BoolVar(&opt.explain, "explain", false, "Show after each step its key in the cache, and what that depends on")
	flags.StringVarP(&opt.file, "file", "f", "", "Name of the Dockerfile (default is \"PATH/Dockerfile\"), or - for standard input")
	flags.BoolVar(&opt.forceRM, "force-rm", false, "Always remove intermediate containers (they always are)")
	flags.StringVar(&opt.iidFile, "iidfile", "", "Write the image ID to the file")
	flags.StringArrayVar(&opt.labels, "label", nil, "Set metadata for an image")
	flags.BoolVar(&opt.load, "load", false, "Make the image known to run and images (it always is, but for -o)")
	flags.StringVar(&opt.metadataFile, "metadata-file", "", "Write build result metadata to a file")
	flags.StringVar(&opt.network, "network", "default", "Set the networking mode for RUN: default, none or host")
	flags.BoolVar(&opt.noCache, "no-cache", false, "Do not use cache when building the image")
	flags.StringArrayVarP(&opt.outputTo, "output", "o", nil, "Where the result goes: DIR, - or type=local|tar|oci|docker|image[,dest=PATH]")
	flags.StringVar(&opt.platform, "platform", "", "Set target platform for build, such as linux/arm64")
	flags.StringVar(&opt.progress, "progress", "auto", "Set type of progress output ("+strings.Join(progressTypes, ", ")+")")
	flags.BoolVar(&opt.pull, "pull", false, "Always attempt to pull all referenced images")
	flags.BoolVarP(&opt.quiet, "quiet", "q", false, "Suppress the build output and print image ID on success")
	flags.BoolVar(&opt.rm, "rm", true, "Remove intermediate containers after a successful build (they always are)")
	flags.StringArrayVar(&opt.secrets, "secret", nil, "Secret to expose to the build: id=ID[,src=FILE|,env=VARIABLE]")
	flags.BoolVar(&opt.squash, "squash", false, "Squash newly built layers into a single new layer")
	flags.StringArrayVarP(&opt.tags, "tag", "t", nil, "Name and optionally a tag in the \"name:tag\" format")
	flags.StringVar(&opt.target, "target", "", "Set the target build stage to build")
	flags.StringVar(&opt.timestamp, "timestamp", "", "Date of the image and the latest of its files: seconds since 1970, or RFC 3339 (default $SOURCE_DATE_EPOCH)")
	flags.StringArrayVar(&opt.ulimits, "ulimit", nil, "Ulimit options: NAME=SOFT[:HARD]")
}

// parse reads the flags, before anything is done. What docker's build has and this one
// has not is refused: another image than the one that was asked for would be worse.
func (opt *building) parse() (err error) {
	if !validProgress(opt.progress) {
		return wrongFlag("progress", opt.progress, "one of "+strings.Join(progressTypes, ", "))
	}
	if !opt.rm {
		return wrongFlag("rm", "false", "no container is left of a step")
	}
	switch opt.network {
	case "default", "none", "host":
	default:
		return wrongFlag("network", opt.network, "default, none or host")
	}
	if opt.names, err = parseTags(opt.tags); err != nil {
		return err
	}
	if opt.time, err = opt.present(); err != nil {
		return err
	}
	if opt.hosts, err = parseHosts(opt.addHosts); err != nil {
		return err
	}
	for _, limit := range opt.ulimits {
		if _, err := units.ParseUlimit(limit); err != nil {
			return wrongFlag("ulimit", limit, err.Error())
		}
	}
	if strings.Contains(opt.platform, ",") {
		return wrongFlag("platform", opt.platform, "one platform at a time")
	}
	if opt.platform != "" {
		if opt.system, err = parsePlatform(opt.platform); err != nil {
			return err
		}
	}
	opt.outputs, err = parseOutputs(opt.outputTo)
	return err
}

func wrongFlag(flag, value, why string) error {
	return &statusError{125, fmt.Sprintf("invalid argument %q for \"--%s\" flag: %s", value, flag, why)}
}

// present is what stands for the present in the image, so that two builds give the
// same: --timestamp, else the build argument SOURCE_DATE_EPOCH, which package build
// reads itself, else the variable of that name; nil is the clock's.
// (https://reproducible-builds.org/specs/source-date-epoch/)
func (opt *building) present() (*time.Time, error) {
	text, flag := opt.timestamp, "--timestamp"
	if _, given := variables(opt.args)["SOURCE_DATE_EPOCH"]; text == "" && given {
		return nil, nil
	}
	if text == "" {
		text, flag = os.Getenv("SOURCE_DATE_EPOCH"), "SOURCE_DATE_EPOCH"
	}
	if text == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	t := time.Unix(seconds, 0)
	if err != nil && flag == "--timestamp" {
		t, err = time.Parse(time.RFC3339, text)
	}
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return nil, &statusError{125, fmt.Sprintf("invalid %s %q: want seconds since 1970, or a time such as 2024-01-31T12:00:00Z", flag, text)}
	}
	t = t.UTC()
	return &t, nil
}

func parseTags(tags []string) (names []reference.Reference, err error) {
	for _, tag := range tags {
		ref, err := reference.ParseTarget(tag)
		if err != nil {
			return nil, &statusError{125, fmt.Sprintf("invalid argument %q for \"-t, --tag\" flag: %v\nSee 'docker build --help'.", tag, err)}
		}
		names = append(names, ref)
	}
	return names, nil
}

// parseHosts reads NAME:ADDRESS and NAME=ADDRESS, an IPv6 address also in brackets.
func parseHosts(list []string) (hosts []string, err error) {
	for _, item := range list {
		name, address, ok := strings.Cut(item, "=")
		if !ok {
			name, address, ok = strings.Cut(item, ":")
		}
		if !ok || name == "" {
			return nil, wrongFlag("add-host", item, fmt.Sprintf("bad format for add-host: %q", item))
		}
		if bare, ok := strings.CutPrefix(address, "["); ok {
			address = strings.TrimSuffix(bare, "]")
		}
		if address == "host-gateway" {
			return nil, wrongFlag("add-host", item, "host-gateway is not supported: RUN has the network of this machine, which is localhost there")
		}
		if _, err := netip.ParseAddr(address); err != nil {
			return nil, wrongFlag("add-host", item, fmt.Sprintf("invalid IP address in add-host: %q", address))
		}
		hosts = append(hosts, name+":"+address)
	}
	return hosts, nil
}

// maxSecret is docker's limit for a secret, in bytes.
const maxSecret = 500 << 10

// readSecrets reads --secret, which is one line of CSV with fields key=value, and the
// values that they name.
func readSecrets(list []string) (map[string][]byte, error) {
	secrets := map[string][]byte{}
	for _, item := range list {
		id, value, err := readSecret(item)
		if err != nil {
			return nil, err
		}
		secrets[id] = value
	}
	return secrets, nil
}

func readSecret(item string) (id string, value []byte, err error) {
	id, file, variable, err := parseSecret(item)
	if err != nil {
		return "", nil, err
	}
	if variable != "" {
		text, found := os.LookupEnv(variable)
		if !found {
			return "", nil, plainError("secret %s: the environment variable %s is not set", id, variable)
		}
		value = []byte(text)
	} else if value, err = readSecretFile(id, file); err != nil {
		return "", nil, err
	}
	if len(value) > maxSecret {
		return "", nil, plainError("secret %s too big. max size 500KB", id)
	}
	return id, value, nil
}

// parseSecret returns where a secret is: in a file, or else in an environment variable.
func parseSecret(item string) (id, file, variable string, err error) {
	fields, err := csv.NewReader(strings.NewReader(item)).Read()
	if err != nil {
		return "", "", "", wrongFlag("secret", item, fmt.Sprintf("failed to parse csv secret: %v", err))
	}
	kind := ""
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return "", "", "", wrongFlag("secret", item, fmt.Sprintf("invalid field '%s' must be a key=value pair", field))
		}
		switch strings.ToLower(key) {
		case "type":
			if kind = value; kind != "file" && kind != "env" {
				return "", "", "", wrongFlag("secret", item, fmt.Sprintf("unsupported secret type %q", value))
			}
		case "id":
			id = value
		case "src", "source":
			file = value
		case "env":
			variable = value
		default:
			return "", "", "", wrongFlag("secret", item, fmt.Sprintf("unexpected key '%s' in '%s'", key, field))
		}
	}
	switch {
	case id == "":
		return "", "", "", wrongFlag("secret", item, "secret missing ID")
	case kind == "env" && variable == "":
		variable, file = file, ""
	}
	if file == "" && variable == "" {
		// docker's rule: the variable of that name, else the file.
		if variable = id; kind == "file" || kind == "" && os.Getenv(id) == "" {
			variable, file = "", id
		}
	}
	return id, file, variable, nil
}

func readSecretFile(id, name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, plainError("secret %s: %v", id, err)
	}
	defer f.Close()
	value, err := readAtMost(f, maxSecret+1)
	if err != nil {
		return nil, plainError("secret %s: %v", id, err)
	}
	return value, nil
}

// variables reads NAME=value, and a bare NAME from our own environment.
func variables(list []string) map[string]string {
	all := map[string]string{}
	for _, item := range list {
		name, value, given := strings.Cut(item, "=")
		if !given {
			if value, given = os.LookupEnv(name); !given {
				continue
			}
		}
		all[name] = value
	}
	return all
}

// pairs reads key=value; a bare key has an empty value.
func pairs(list []string) map[string]string {
	all := map[string]string{}
	for _, item := range list {
		key, value, _ := strings.Cut(item, "=")
		all[key] = value
	}
	return all
}
