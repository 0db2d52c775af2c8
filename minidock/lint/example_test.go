package lint_test

import (
	"fmt"
	"strings"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/lint"
)

func Example() {
	f, err := dockerfile.Parse(strings.NewReader(`ARG VERSION=3.20
FROM alpine:$VERSION
COPY . /app
RUN apk add curl
LABEL version=$VERSION
CMD /app/run.sh
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, found := range lint.Check(f, lint.Options{}) {
		fmt.Printf("line %d: %s: %s (%s)\n", found.Line, found.Level, found.Message, found.Rule)
	}
	// Output:
	// line 4: advice: put this RUN before the COPY in line 3, which changes more often (CopyBeforeInstall)
	// line 4: advice: apk leaves its lists of packages in this layer: write apk add --no-cache (PackageCacheLeft)
	// line 5: warning: the ARG VERSION before the first FROM is not seen here: write ARG VERSION after FROM, too (UndefinedVar)
	// line 6: warning: CMD should be a JSON array: ["/app/run.sh"] (JSONArgsRecommended)
}
