package build

import (
	"errors"
	"testing"

	"minidock.dev/minidock/dockerfile"
)

// TestMissingHint: who misspells a name is told the right one.
func TestMissingHint(t *testing.T) {
	k := newKitchen(t, map[string]string{"app/run.sh": "x", "app/read.me": "x", "secret": "x", "readme": "x"})
	k.ignore = "secret\n"
	k.base("tool", nil, dir("etc"), file("etc/passwd"))
	for instruction, want := range map[string]string{
		"COPY app/rum.sh /":                "did you mean app/run.sh?",
		"COPY README /":                    "did you mean readme?",
		"COPY ap/run.sh /":                 "did you mean app?",
		"COPY secret /":                    "it is there, but .dockerignore leaves it out",
		"COPY something /":                 "",
		"COPY --from=tool etc/paswd /":     "did you mean etc/passwd?",
		"COPY --parents app/./rum.sh /":    "did you mean app/run.sh?",
		"COPY readme/x /":                  "",
		"COPY app/run.sh app/runs.sh /x/":  "did you mean app/run.sh?",
		"ADD app/rnu.sh /":                 "did you mean app/run.sh?",
		"COPY [\"app/run.sh \", \"/x\"]":   "did you mean app/run.sh?",
		"COPY --parents secret readme /x/": "it is there, but .dockerignore leaves it out",
	} {
		_, err := k.try("FROM scratch\n" + instruction + "\n")
		var located *dockerfile.Error
		if !errors.As(err, &located) || located.Hint != want {
			t.Errorf("%s: %v, want the hint %q", instruction, err, want)
		}
	}
}
