package build

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/explain"
)

// plan returns the stages that the target needs, the target last, with their base
// images found and their steps numbered. The others are not even looked at: a stage
// for tests costs nothing until it is asked for.
func (b *builder) plan(ctx context.Context) ([]*stage, error) {
	target, err := b.target()
	if err != nil {
		return nil, err
	}
	needed := map[int]bool{target: true}
	order, err := b.needed(target, needed)
	// A base image may bring ONBUILD instructions that name further stages.
	for n := 0; err == nil && n < len(order); n++ {
		s := order[n]
		if s.resolved {
			continue
		}
		if err = s.resolve(ctx); err != nil {
			b.number(order)
			b.announceArgs()
			return nil, s.failed(s.source.From, err)
		}
		for _, d := range s.needs {
			if !needed[d] {
				needed[d] = true
				order, err = b.needed(target, needed)
				n = -1
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if len(b.Labels) > 0 {
		order[len(order)-1].labels = b.Labels
	}
	b.number(order)
	return order, nil
}

// needed returns the stages that are needed, in the order of the Dockerfile. A
// stage refers to earlier ones only, so one pass backwards finds all.
func (b *builder) needed(target int, needed map[int]bool) (order []*stage, err error) {
	for i := target; i >= 0; i-- {
		if !needed[i] {
			continue
		}
		if b.stages[i] == nil {
			if b.stages[i], err = b.newStage(i); err != nil {
				return nil, err
			}
		}
		for _, d := range b.stages[i].needs {
			needed[d] = true
		}
		order = append(order, b.stages[i])
	}
	slices.Reverse(order)
	return order, nil
}

// number gives each step its number. That is done before the first stage begins:
// stages that are built at the same time could not count together.
func (b *builder) number(order []*stage) {
	b.total = len(b.File.Args)
	for _, s := range order {
		s.first = b.total + 1
		s.steps = 1 + len(s.triggers) + len(s.source.Instructions)
		if len(s.labels) > 0 {
			s.steps++
		}
		b.total += s.steps
	}
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
	if s.platform == "" && text.Platform != "" {
		return nil, lineError(text.From, fmt.Errorf("empty platform value from expression %s", text.Platform))
	}
	if d, ok := b.stageNamed(s.base, i); ok {
		s.from = d
		s.needs = append(s.needs, d)
	}
	for _, in := range text.Instructions {
		if err := s.need(in); err != nil {
			return nil, lineError(in, err)
		}
	}
	return s, nil
}

// need notes the stages from which an instruction takes files.
func (s *stage) need(in dockerfile.Instruction) error {
	used, err := s.stagesOf(in, s.number)
	for _, d := range used {
		if !slices.Contains(s.needs, d) {
			s.needs = append(s.needs, d)
		}
	}
	return err
}

// resolve finds the base image, and the instructions that the base has put by with
// ONBUILD. They have no line of their own, so they take that of FROM.
func (s *stage) resolve(ctx context.Context) error {
	s.resolved = true
	texts, err := s.onbuild(explain.Step(ctx, "find the base of stage %s: %s", s.stageLabel(s.number), s.base))
	if err != nil {
		return err
	}
	for _, text := range texts {
		in, err := dockerfile.ParseInstruction(text, s.File.Escape)
		if err != nil {
			return fmt.Errorf("ONBUILD %s: %w", text, err)
		}
		in.Line, in.EndLine = s.source.From.Line, s.source.From.EndLine
		if err := s.need(in); err != nil {
			return err
		}
		s.triggers = append(s.triggers, in)
	}
	return nil
}

// onbuild returns the ONBUILD instructions of the base, which is not built yet if it
// is a stage of this file.
func (s *stage) onbuild(ctx context.Context) (texts []string, err error) {
	switch {
	case s.from >= 0:
		for _, in := range s.File.Stages[s.from].Instructions {
			if in.Name == "ONBUILD" {
				texts = append(texts, in.Args[0])
			}
		}
		return texts, nil
	case s.base == "scratch":
		return nil, nil
	}
	if s.found, err = s.findBase(ctx, s.base); err != nil {
		return nil, err
	}
	if err := s.checkPlatform(s.found.Config.Platform); err != nil {
		return nil, err
	}
	return s.found.Config.Config.OnBuild, nil
}

// stagesOf returns the stages that an instruction of stage i takes files from:
// COPY --from and the mounts of RUN.
func (b *builder) stagesOf(in dockerfile.Instruction, i int) (used []int, err error) {
	names := mountedFrom(in)
	if from, _ := in.Flag("from"); from != "" && in.Name == "COPY" {
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
