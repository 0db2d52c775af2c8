package main

import (
	"context"
	"os/user"
)

// Report is what "report --json" prints: every exercise there is, done or not.
type Report struct {
	Student string         `json:"student"`
	Passed  int            `json:"passed"`
	Of      int            `json:"of"`
	Lessons []LessonReport `json:"lessons"`
}

// LessonReport is one lesson in it.
type LessonReport struct {
	Number    string           `json:"number"`
	Title     string           `json:"title"`
	Exercises []ExerciseReport `json:"exercises"`
}

// ExerciseReport is one exercise in it.
type ExerciseReport struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	State string `json:"state"` // "new", "started" or "passed"
	Attempt
}

// NewReport joins the course and what was done of it.
func NewReport(c *Course, p *Progress) *Report {
	r := &Report{Lessons: []LessonReport{}}
	if u, err := user.Current(); err == nil {
		r.Student = u.Username
	}
	for _, l := range c.Lessons {
		lesson := LessonReport{Number: l.Number, Title: l.Title, Exercises: []ExerciseReport{}}
		for _, e := range l.Exercises {
			attempt := p.Exercises[e.ID()]
			one := ExerciseReport{Name: e.Name, Title: e.Title, State: attempt.State()}
			if attempt != nil {
				one.Attempt = *attempt
			}
			if one.State == "passed" {
				r.Passed++
			}
			r.Of++
			lesson.Exercises = append(lesson.Exercises, one)
		}
		r.Lessons = append(r.Lessons, lesson)
	}
	return r
}

func report(ctx context.Context, s *student, args []string) error {
	_, flags, err := flagged(args, "--json")
	if err != nil {
		return err
	}
	if !flags["--json"] {
		return list(ctx, s, nil)
	}
	p, err := ReadProgress()
	if err != nil {
		return err
	}
	text, err := marshal(NewReport(s.Course, p), "  ")
	if err != nil {
		return err
	}
	_, err = s.out.Write(text)
	return err
}
