package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExplainTests(t *testing.T) {
	tests := []struct {
		name, out string
		want      testVerdict
	}{
		{"an own check",
			"--- FAIL: TestLessonTwo (0.00s)\n    aaa_lesson_test.go:43: The order is wrong.\n        expected: a b\n        found:    b a\n        reread: Order\nFAIL\n",
			testVerdict{Verdict{Headline: "The order is wrong.", Detail: "expected: a b\nfound:    b a", Passage: "Order"}, "TestLessonTwo"}},
		{"a test of the engine, with subtests and more messages",
			"--- FAIL: TestParse (0.00s)\n    --- FAIL: TestParse/empty (0.00s)\n        digest_test.go:40: got 1\n        digest_test.go:41: got 2\n    --- FAIL: TestParse/long (0.00s)\n        digest_test.go:40: got 3\nFAIL\n",
			testVerdict{Verdict{Headline: "A test of the engine fails with your function: TestParse/empty", Detail: "got 1"}, "TestParse/empty"}},
		{"a panic",
			"--- FAIL: TestLessonLowest (0.00s)\npanic: runtime error: index out of range [0] with length 0 [recovered, repanicked]\n\ngoroutine 8 [running]:\nminidock.dev/minidock/oci.ChainIDs(...)\n\t/home/ann/chain.go:12\n",
			testVerdict{Verdict{Headline: "Your function panics.", Detail: "runtime error: index out of range [0] with length 0\nat line 12 of chain.go"}, "TestLessonLowest"}},
		{"a loop",
			"panic: test timed out after 20s\n\trunning tests:\n\t\tTestLessonLength (20s)\n\ngoroutine 8 [runnable]:\n\t/home/ann/chain.go:9 +0x1\n",
			testVerdict{Verdict{Headline: "Your function does not come back.", Detail: "expected: a result within 20s\nfound:    none. Is there a loop that nothing ends?\nat line 9 of chain.go"}, "TestLessonLength"}},
		{"recursion",
			"runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n\t/home/ann/chain.go:9 +0x1\n",
			testVerdict{Verdict{Headline: "Your function calls itself without end.", Detail: "at line 9 of chain.go"}, ""}},
		{"nothing known", "killed\n", testVerdict{Verdict{Headline: "The tests ended without a result.", Detail: "killed"}, ""}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := explainTests(test.out, "/home/ann/chain.go")
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(testVerdict{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExplainScenario(t *testing.T) {
	own := explainScenario("        > exec sh check.sh\n        [stdout]\n        lesson: It is gone.\n        lesson: found:    nothing\n        lesson: reread: Store\n        FAIL: x.txtar:9: exit 1\n")
	if diff := cmp.Diff(&Verdict{Headline: "It is gone.", Detail: "found:    nothing", Passage: "Store"}, own); diff != "" {
		t.Error(diff)
	}
	line := explainScenario("        # One story.\n        > docker ps\n        # Another,\n        # of two lines.\n        > docker nothing\n        FAIL: x.txtar:9: unexpected failure\n")
	if want := "# Another,\n# of two lines.\n> docker nothing\nFAIL: x.txtar:9: unexpected failure"; line.Detail != want {
		t.Errorf("got\n%s\nwant\n%s", line.Detail, want)
	}
}
