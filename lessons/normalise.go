package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What a cell shows can differ from run to run: a directory's name, a time, the ID of
// a container. In the notebook that is kept it does not, so that running the lesson
// again changes nothing. A lesson does best to show what cannot vary; where it does,
// as container IDs must, the cell's tag says so: ids-vary.
const idsVary = "ids-vary"

// Normalise writes stable words for all that varies. root is the repository.
func (n *Notebook) Normalise(root string) {
	ids := map[string]string{}
	for _, c := range n.Cells {
		if slices.Contains(c.Metadata.Tags, idsVary) {
			c.eachText(func(text string) string { collectIDs(ids, text); return text })
		}
	}
	for _, c := range n.Cells {
		c.eachText(func(text string) string { return replaceIDs(ids, normalise(text, root)) })
	}
}

// eachText passes every text among the outputs through f.
func (c *NotebookCell) eachText(f func(string) string) {
	for i := range c.Outputs {
		o := &c.Outputs[i]
		o.Text = lines(f(string(o.Text)))
		for media, text := range o.Data {
			o.Data[media] = lines(f(string(text)))
		}
	}
}

// normalise replaces paths and times.
func normalise(text, root string) string {
	text = strings.ReplaceAll(text, root, "~/minidock")
	for _, r := range []struct{ pattern, with string }{
		{`[^\s=:"']*/minidock-lesson-[A-Za-z0-9_]+`, "/tmp/minidock-lesson"},
		{`(Less than a second|About an? (minute|hour)|\d+ (seconds?|minutes?|hours?)) ago`, "moments ago"},
		{`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`, "2026-01-01T00:00:00.000000000Z"}, // whole seconds are somebody's choice
		{`\b(real|user|sys)\s+\d+m[\d.]+s`, "$1 0m0.01s"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

// idPattern finds IDs, long or short, also behind an escape in the address of a picture,
// as in "%3E0123456789ab%3C".
const idPattern = `(^|%[0-9A-F]{2}|[^0-9A-Za-z_])([0-9a-f]{64}|[0-9a-f]{12})\b`

// collectIDs gives each new ID one that depends only on how many came before.
func collectIDs(ids map[string]string, text string) {
	for _, found := range regexp.MustCompile(idPattern).FindAllStringSubmatch(text, -1) {
		if id := found[2]; ids[id[:12]] == "" {
			sum := sha256.Sum256(fmt.Appendf(nil, "id %d", len(ids)+1))
			ids[id[:12]] = hex.EncodeToString(sum[:])
		}
	}
}

func replaceIDs(ids map[string]string, text string) string {
	pattern := regexp.MustCompile(idPattern)
	return pattern.ReplaceAllStringFunc(text, func(found string) string {
		parts := pattern.FindStringSubmatch(found)
		before, id := parts[1], parts[2]
		if stable := ids[id[:12]]; stable != "" {
			return before + stable[:len(id)]
		}
		return found
	})
}
