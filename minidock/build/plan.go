package build

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"minidock.dev/minidock/dockerfile"
)

// plan returns the stages that the target needs, the target last. The others
// are not even looked at: a stage for tests costs nothing until it is asked for.
func (b *builder) plan() ([]*stage, error) {
	target, err := b.target()
	if err != nil {
		return nil, err
	}
	needed := map[int]bool{target: true}
	// A stage refers to earlier ones only, so one pass backwards finds all.
	for i := target; i >= 0; i-- {
		if !needed[i] {
			continue
		}
		s, err := b.newStage(i)
		if err != nil {
			return nil, err
		}
		for _, d := range s.needs {
			needed[d] = true
		}
		b.stages[i] = s
	}
	var order []*stage
	for i := range target + 1 {
		if needed[i] {
			order = append(order, b.stages[i])
			b.total += len(b.stages[i].source.Instructions) + 1
		}
	}
	if len(b.Labels) > 0 {
		b.stages[target].labels = b.Labels
		b.total++
	}
	return order, nil
}

// target is the number of the stage to build.
func (b *builder) target() (int, error) {
	stages := b.File.Stages
	if b.Target == "" {
		return len(stages) - 1, nil
	}
	if i, ok := b.stageNamed(b.Target, len(stages)); ok {
		return i, nil
	}
	if i, err := strconv.Atoi(b.Target); err == nil && i >= 0 && i < len(stages) {
		return i, nil
	}
	return 0, fmt.Errorf("target stage %q could not be found", b.Target)
}

// stageNamed finds the last stage before number end that has a name.
func (b *builder) stageNamed(name string, end int) (int, bool) {
	for i := end - 1; i >= 0; i-- {
		if n := b.File.Stages[i].Name; n != "" && strings.EqualFold(n, name) {
			return i, true
		}
	}
	return 0, false
}

// newStage replaces the variables of a FROM line and finds out which earlier
// stages it and the instructions below it refer to.
func (b *builder) newStage(i int) (*stage, error) {
	text := b.File.Stages[i]
	s := &stage{builder: b, number: i, source: text, from: -1}
	var err error
	if s.base, err = b.expandGlobal(text.Base); err != nil {
		return nil, lineError(text.From, err)
	}
	if s.base == "" {
		return nil, lineError(text.From, fmt.Errorf("base name (%s) should not be blank", text.Base))
	}
	if s.platform, err = b.expandGlobal(text.Platform); err != nil {
		return nil, lineError(text.From, err)
	}
	if d, ok := b.stageNamed(s.base, i); ok {
		s.from = d
		s.needs = append(s.needs, d)
	}
	for _, in := range text.Instructions {
		if in.Name == "ONBUILD" {
			// The trigger may name a stage of this file, too. What is wrong
			// with it is for those to learn in whose build it runs.
			if trigger, err := dockerfile.ParseInstruction(in.Args[0], b.File.Escape); err == nil {
				if used, err := b.stagesOf(trigger, i); err == nil {
					s.needs = append(s.needs, used...)
				}
			}
			continue
		}
		used, err := b.stagesOf(in, i)
		if err != nil {
			return nil, lineError(in, err)
		}
		for _, d := range used {
			if !slices.Contains(s.needs, d) {
				s.needs = append(s.needs, d)
			}
		}
	}
	return s, nil
}

// stagesOf returns the stages that an instruction of stage i takes files from:
// COPY --from and the mounts of RUN.
func (b *builder) stagesOf(in dockerfile.Instruction, i int) (used []int, err error) {
	names := mountedFrom(in)
	if from, ok := in.Flag("from"); ok && in.Name == "COPY" {
		names = append(names, from)
	}
	for _, from := range names {
		d, ok, err := b.stageFrom(from, i)
		if err != nil {
			return nil, err
		}
		if ok {
			used = append(used, d)
		}
	}
	return used, nil
}

// stageFrom returns the stage that an instruction of stage i means by a name or a
// number; false when it is the name of an image.
func (b *builder) stageFrom(from string, i int) (int, bool, error) {
	if d, ok := b.stageNamed(from, i); ok {
		return d, true, nil
	}
	d, err := strconv.Atoi(from)
	if err != nil {
		var known bool
		if d, known = b.stageNamed(from, len(b.File.Stages)); !known {
			return 0, false, nil
		}
	}
	switch {
	case d >= 0 && d < i:
		return d, true, nil
	case d == i:
		return 0, false, fmt.Errorf("circular dependency detected on stage: %s", from)
	case d >= len(b.File.Stages) || d < 0:
		return 0, false, fmt.Errorf("invalid from flag value %s: there is no such stage", from)
	}
	return 0, false, fmt.Errorf("cannot copy from stage %q, it needs to be defined before current stage %q", from, b.stageLabel(i))
}

// stageLabel is how an error names a stage.
func (b *builder) stageLabel(i int) string {
	if name := b.File.Stages[i].Name; name != "" {
		return name
	}
	return strconv.Itoa(i)
}
