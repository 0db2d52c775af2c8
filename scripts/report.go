//go:build ignore

// Report reads what `go test -json` prints and shows what a person wants to
// know: a line for each package, everything about a test that failed, and the
// name and reason of every test that was skipped. It exits 1 if any failed.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

func main() {
	output := map[string][]string{} // of each test that has not ended
	var skipped []string
	counts := map[string]int{}
	failed := false
	decoder := json.NewDecoder(os.Stdin)
	for {
		var e event
		if err := decoder.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "scripts/report:", err)
			os.Exit(2)
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			output[key] = append(output[key], e.Output)
			continue
		case "pass", "fail", "skip":
		case "build-fail":
			failed = true
			fmt.Print(strings.Join(output[key], ""))
			continue
		default:
			continue
		}
		if e.Action == "fail" {
			failed = true
			fmt.Print(strings.Join(output[key], ""))
		}
		switch {
		case e.Test == "" && e.Action == "pass":
			fmt.Printf("ok  \t%s\t%.1fs\n", e.Package, e.Elapsed)
		case e.Test == "" && e.Action == "fail":
			fmt.Printf("FAIL\t%s\t%.1fs\n", e.Package, e.Elapsed)
		case e.Test != "":
			counts[e.Action]++
			if e.Action == "skip" {
				skipped = append(skipped, e.Test+": "+reason(output[key]))
			}
		}
		delete(output, key)
	}
	for _, line := range skipped {
		fmt.Println("NOT RUN:", line)
	}
	fmt.Printf("\n%d passed, %d failed, %d skipped\n", counts["pass"], counts["fail"], counts["skip"])
	if failed {
		os.Exit(1)
	}
}

// reason is what a test said when it was skipped: the lines that the test
// framework did not write, and of a scenario only its last.
func reason(lines []string) string {
	last := ""
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			last = line
		}
	}
	return last
}
