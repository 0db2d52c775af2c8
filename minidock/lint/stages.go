package lint

import (
	"slices"
	"strings"

	"minidock.dev/minidock/reference"
)

// Stages, their bases, and instructions that cancel each other.
func stageRules() []rule {
	return []rule{
		{Rule{Name: "DuplicateStageName", Level: Warning, Known: true,
			Title: "each stage has a name of its own",
			Why:   "COPY --from and --target then mean the later stage of that name, perhaps not the one that was meant."}, duplicateStage},
		{Rule{Name: "ReservedStageName", Level: Warning, Known: true,
			Title: "no stage is named scratch or context",
			Why:   "scratch means the empty image, and context the files of the build. A stage of that name cannot be told from them."}, reservedStage},
		{Rule{Name: "MultipleInstructionsDisallowed", Level: Warning, Known: true,
			Title: "CMD, ENTRYPOINT and HEALTHCHECK come once a stage",
			Why:   "Only the last one counts. The others look as if they did something."}, severalCmd},
		{Rule{Name: "RedundantTargetPlatform", Level: Warning, Known: true,
			Title: "no --platform=$TARGETPLATFORM",
			Why:   "The target platform is what FROM uses anyway."}, redundantPlatform},
		{Rule{Name: "FromPlatformFlagConstDisallowed", Level: Warning, Known: true,
			Title: "--platform of FROM is a variable",
			Why:   "With a fixed platform the stage is the same for all platforms that are built, so an image for ARM has programs for Intel in it."}, constantPlatform},
		{Rule{Name: "LatestTag", Level: Advice,
			Title: "the base image has a version",
			Why:   "latest is whatever is newest today. The same file makes another image tomorrow, and nobody can say what went into the last one."}, latestTag},
	}
}

func duplicateStage(f *file, found report) {
	seen := map[string]*stage{}
	for _, s := range f.stages {
		if first, ok := seen[s.Name]; ok && s.Name != "" {
			found(at(s.From), "line %d has a stage %s already", first.From.Line, s.Name)
		}
		seen[s.Name] = s
	}
}

func reservedStage(f *file, found report) {
	for _, s := range f.stages {
		if s.Name == "scratch" || s.Name == "context" {
			found(at(s.From), "a stage cannot be named %s", s.Name)
		}
	}
}

// severalCmd reports the one that is forgotten.
func severalCmd(f *file, found report) {
	for _, s := range f.stages {
		last := map[string]*step{}
		for _, st := range s.steps {
			if st.Name != "CMD" && st.Name != "ENTRYPOINT" && st.Name != "HEALTHCHECK" {
				continue
			}
			if before := last[st.Name]; before != nil {
				found(at(before.Instruction), "this %s has no effect, because line %d has another one", st.Name, st.Line)
			}
			last[st.Name] = st
		}
	}
}

func redundantPlatform(f *file, found report) {
	for _, s := range f.stages {
		if s.Platform == "$TARGETPLATFORM" || s.Platform == "${TARGETPLATFORM}" {
			found(at(s.From), "--platform=%s can be left out", s.Platform)
		}
	}
}

// constantPlatform: a stage that has the platform in its name means it.
func constantPlatform(f *file, found report) {
	for _, s := range f.stages {
		if s.Platform == "" || strings.Contains(s.Platform, "$") {
			continue
		}
		meant := false
		for part := range strings.SplitSeq(strings.ToLower(s.Platform), "/") {
			meant = meant || part != "" && strings.Contains(s.Name, part)
		}
		if !meant {
			found(at(s.From), "--platform=%s should be a variable, or be left out and given to build", s.Platform)
		}
	}
}

func latestTag(f *file, found report) {
	for _, s := range f.stages {
		if s.parent != nil || s.base == "scratch" || !s.baseOK {
			continue
		}
		r, err := reference.Parse(s.base)
		if err != nil || r.Digest != "" || slices.Contains(f.opt.BuiltIn, r.Familiar()) {
			continue
		}
		name := strings.TrimSuffix(s.base, ":latest")
		switch {
		case r.Tag == "latest" && name == s.base:
			found(at(s.From), "%s has no tag, which means latest: write %s:version", name, name)
		case r.Tag == "latest":
			found(at(s.From), "%s:latest changes: write %s:version", name, name)
		}
	}
}
