package build

import (
	"fmt"
	"strings"

	"minidock.dev/minidock/oci"
)

// ParsePlatform reads os[/architecture[/variant]], or an architecture alone; what
// is missing is taken from the default. The names that uname(1) has for
// architectures are understood.
func ParsePlatform(text string, otherwise oci.Platform) (oci.Platform, error) {
	part := strings.Split(strings.ToLower(text), "/")
	if len(part) == 1 && !strings.Contains(systems, " "+part[0]+" ") {
		if !strings.Contains(architectures, " "+canonical(part[0])+" ") {
			return oci.Platform{}, fmt.Errorf("%q: unknown operating system or architecture", text)
		}
		part = []string{otherwise.OS, part[0]}
	}
	p := oci.Platform{OS: part[0], Architecture: otherwise.Architecture, Variant: otherwise.Variant}
	if len(part) > 1 {
		p.Architecture, p.Variant = canonical(part[1]), ""
	}
	if len(part) > 2 {
		p.Variant = part[2]
	}
	if len(part) > 3 || p.OS == "" || p.Architecture == "" {
		return oci.Platform{}, fmt.Errorf("%q: a platform is os/architecture or os/architecture/variant", text)
	}
	return p, nil
}

// Some of Go's names for systems and architectures, which are those of images. They
// tell what a single word means.
const (
	systems       = " linux windows darwin freebsd "
	architectures = " amd64 arm64 arm 386 riscv64 ppc64le s390x loong64 mips64le "
)

func canonical(architecture string) string {
	switch architecture {
	case "x86_64", "x86-64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386", "i686":
		return "386"
	case "armhf", "armel":
		return "arm"
	}
	return architecture
}

// wanted is the platform for which a stage is built.
func (s *stage) wanted() (oci.Platform, error) {
	if s.platform == "" {
		return s.Platform, nil
	}
	return ParsePlatform(s.platform, s.Platform)
}

// checkPlatform refuses a base image for another machine. If nobody has said which
// one, that of the image it is. An image that says nothing of its variant is for all
// of them.
func (s *stage) checkPlatform(have oci.Platform) error {
	if s.platform == "" && s.anyPlatform {
		return nil
	}
	want, err := s.wanted()
	if err != nil {
		return err
	}
	if want.OS == have.OS && want.Architecture == have.Architecture &&
		(want.Variant == have.Variant || want.Variant == "" || have.Variant == "") {
		return nil
	}
	return fmt.Errorf("image %s is for %s, not for %s", s.base, have, want)
}
