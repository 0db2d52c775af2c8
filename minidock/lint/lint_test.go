package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/dockerfile"
	"minidock.dev/minidock/ignore"
)

// found returns what a rule finds in a text, as "line message".
func found(t *testing.T, rule, text string, opt Options) []string {
	t.Helper()
	f, err := dockerfile.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var all []string
	for _, finding := range Check(f, opt) {
		if finding.Rule == rule {
			all = append(all, fmt.Sprintf("%d %s", finding.Line, finding.Message))
		}
	}
	return all
}

// cases are what a rule finds, and what it must not. Texts without FROM get one.
type cases struct {
	bad  map[string][]string
	good []string
	opt  Options
}

func withFrom(text string) string {
	if strings.Contains(strings.ToUpper(text), "FROM ") {
		return text
	}
	return "FROM debian:13\n" + text
}

func table(t *testing.T) map[string]cases {
	ignored, err := ignore.Parse(strings.NewReader("secret\n*.log\nbuild\nkept\n!kept/a\n"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]cases{
		"StageNameCasing": {
			bad:  map[string][]string{"FROM a AS Build\n": {"1 the stage Build should be named build"}},
			good: []string{"FROM a AS build\n", "FROM A\n"},
		},
		"FromAsCasing": {
			bad:  map[string][]string{"FROM a as b\nfrom a AS c\n": {"1 FROM and as are not written alike", "2 from and AS are not written alike"}},
			good: []string{"FROM a AS b\n", "from a as b\n", "From a as b\n"},
		},
		"ConsistentInstructionCasing": {
			bad: map[string][]string{
				"FROM a\nrun b\nCOPY c d\n": {"2 run should be RUN, as most instructions in this file"},
				"from a\nRun b\ncopy c d\n": {"2 Run should be run, as most instructions in this file"},
				"FROM a\nrun b\n":           {"2 run should be RUN, as most instructions in this file"},
			},
			good: []string{"FROM a\nRUN b\n", "from a\nrun b\n"},
		},
		"NoEmptyContinuation": {
			bad: map[string][]string{
				"FROM a\nRUN b \\\n\n c\n":                        {"3 a blank line inside of RUN, which goes on after it"},
				"FROM a\nRUN b \\\n # c\n\n && cat <<E\nx\n\nE\n": {"4 a blank line inside of RUN, which goes on after it"},
			},
			good: []string{"FROM a\nRUN b \\\n # c\n d\n", "FROM a\nRUN <<E\nb\n\nc\nE\n"},
		},
		"JSONArgsRecommended": {
			bad: map[string][]string{
				"FROM a\nCMD run me\n":                                {`2 CMD should be a JSON array: ["run", "me"]`},
				"FROM a\nENTRYPOINT a && b\n":                         {"2 ENTRYPOINT should be a JSON array"},
				"FROM a\nCMD ['a']\n":                                 {"2 CMD should be a JSON array"},
				"FROM a\nSHELL [\"bash\", \"-c\"]\nFROM b\nCMD run\n": {`4 CMD should be a JSON array: ["run"]`},
			},
			good: []string{"FROM a\nCMD [\"a\"]\n", "FROM a\nSHELL [\"bash\", \"-c\"]\nCMD a\n", "FROM a AS b\nSHELL [\"bash\", \"-c\"]\nFROM b\nCMD a\n", "FROM a\nRUN b\n"},
		},
		"MaintainerDeprecated": {
			bad:  map[string][]string{"FROM a\nMAINTAINER me\n": {`2 MAINTAINER is deprecated: write LABEL org.opencontainers.image.authors="me"`}},
			good: []string{"FROM a\nLABEL maintainer=me\n"},
		},
		"LegacyKeyValueFormat": {
			bad:  map[string][]string{"FROM a\nENV b c\nLABEL d e f\n": {"2 write ENV b=…, with =", "3 write LABEL d=…, with ="}},
			good: []string{"FROM a\nENV b=c\nARG d\n"},
		},
		"WorkdirRelativePath": {
			bad: map[string][]string{"FROM a\nWORKDIR b\nWORKDIR c\n": {"2 WORKDIR b is relative to a directory that the base image chooses"}},
			good: []string{"FROM a\nWORKDIR /b\nWORKDIR c\n", "FROM a AS b\nWORKDIR /b\nFROM b\nWORKDIR c\n", "FROM a\nWORKDIR $HOME\n",
				"FROM a\nENV d=/x\nWORKDIR $d\n", "FROM a\nWORKDIR C:\\x\n"},
		},
		"ExposeProtoCasing": {
			bad:  map[string][]string{"FROM a\nEXPOSE 80/TCP 81\n": {"2 EXPOSE 80/TCP should be 80/tcp"}},
			good: []string{"FROM a\nEXPOSE 80/tcp 81\n"},
		},
		"ExposeInvalidFormat": {
			bad:  map[string][]string{"FROM a\nEXPOSE 127.0.0.1:80:81/tcp\n": {"2 EXPOSE 127.0.0.1:80:81/tcp should be 81/tcp, without address and port of the host"}},
			good: []string{"FROM a\nEXPOSE 80-90\n"},
		},
		"InvalidDefinitionDescription": {
			bad:  map[string][]string{"# check=experimental=all\n# text\nARG b=1\nFROM a\n": {`3 the comment above should begin with "b ", or a blank line should follow it`}},
			good: []string{"# text\nARG b=1\nFROM a\n", "# check=experimental=InvalidDefinitionDescription\n# b is it\nARG b=1\n# text\n\nFROM a AS c\n"},
		},
		"DuplicateStageName": {
			bad:  map[string][]string{"FROM a AS b\nFROM a AS B\n": {"2 line 1 has a stage b already"}},
			good: []string{"FROM a AS b\nFROM a\nFROM b\n"},
		},
		"ReservedStageName": {
			bad:  map[string][]string{"FROM a AS scratch\nFROM a AS context\n": {"1 a stage cannot be named scratch", "2 a stage cannot be named context"}},
			good: []string{"FROM scratch AS b\n"},
		},
		"MultipleInstructionsDisallowed": {
			bad:  map[string][]string{"FROM a\nCMD b\nCMD c\nHEALTHCHECK NONE\n": {"2 this CMD has no effect, because line 3 has another one"}},
			good: []string{"FROM a\nCMD b\nENTRYPOINT c\nFROM a\nCMD b\n"},
		},
		"RedundantTargetPlatform": {
			bad:  map[string][]string{"FROM --platform=$TARGETPLATFORM a\n": {"1 --platform=$TARGETPLATFORM can be left out"}},
			good: []string{"FROM --platform=$BUILDPLATFORM a\n"},
		},
		"FromPlatformFlagConstDisallowed": {
			bad:  map[string][]string{"FROM --platform=linux/arm64 a AS b\n": {"1 --platform=linux/arm64 should be a variable, or be left out and given to build"}},
			good: []string{"FROM --platform=linux/arm64 a AS build-arm64\n", "FROM --platform=$BUILDPLATFORM a\n", "FROM a\n"},
		},
		"LatestTag": {
			bad: map[string][]string{
				"FROM alpine\nFROM x/y:latest\n": {"1 alpine has no tag, which means latest: write alpine:version", "2 x/y:latest changes: write x/y:version"},
				"ARG v=latest\nFROM a:$v\n":      {"2 a:latest changes: write a:version"},
			},
			good: []string{"FROM scratch\n", "FROM a:1 AS b\nFROM b\n", "FROM $x\n", "FROM a@sha256:" + strings.Repeat("a", 64) + "\n", "FROM localhost:5000/a:1\n"},
		},
		"UndefinedVar": {
			bad: map[string][]string{
				"FROM alpine\nCOPY $foo /\n":                           {"2 foo has no value"},
				"FROM alpine\nENV DIR=/a\nWORKDIR $DIRR\n":             {"3 DIRR has no value (did you mean DIR?)"},
				"ARG V=1\nFROM node\nENV A=$V\n":                       {"3 the ARG V before the first FROM is not seen here: write ARG V after FROM, too"},
				"FROM node\nENV A=$TARGETARCH\n":                       {"2 the builder tells TARGETARCH only to who asks: write ARG TARGETARCH after FROM"},
				"FROM scratch AS a\nFROM a\nUSER ${x#y}\n":             {"3 x has no value"},
				"FROM scratch\nRUN --mount=target=$x make\n":           {"2 x has no value"},
				"FROM known\nENV A=$GIVEN B=$other\n":                  {"2 other has no value"},
				"FROM scratch\nCOPY <<a <<'b' /\n$x \"$y'\na\n$z\nb\n": {"2 x has no value", "2 y has no value"},
				"FROM scratch\nCOPY --chown=$u a b\n":                  {"2 u has no value"},
				"FROM scratch AS b\nARG x=1\nFROM b\nENV y=$z":         {"4 z has no value (did you mean x?)"},
			},
			good: []string{
				"FROM node\nCOPY $foo /\n", "FROM scratch\nRUN echo $x\nCMD echo $x\n", "FROM scratch\nENV a=$PATH:/x b=${c:-d} e=${f+g}\n",
				"FROM scratch\nARG a\nENV b=$a\n", "FROM scratch AS a\nENV b=c\nFROM a\nENV d=$b\n", "FROM scratch\nENV a=\\$b c='$d'\n",
				"ARG V=1\nFROM scratch\nARG V\nENV a=$V\n", "FROM scratch\nENV a=$1\n", "FROM scratch\nARG TARGETARCH\nENV a=$TARGETARCH\n",
			},
			opt: Options{BaseEnv: func(image string) ([]string, bool) { return []string{"GIVEN=x"}, image == "known" }},
		},
		"UndefinedArgInFrom": {
			bad: map[string][]string{
				"FROM a:$v\n":                     {"1 FROM uses v, for which there is no ARG before the first FROM"},
				"ARG VERSION=1\nFROM a:$VERSIN\n": {"2 FROM uses VERSIN, for which there is no ARG (did you mean VERSION?)"},
				"FROM --platform=$P a\n":          {"1 FROM uses P, for which there is no ARG before the first FROM"},
				"FROM a:1\nARG v=1\nFROM b:$v\n":  {"3 FROM uses v, for which there is no ARG before the first FROM"},
			},
			good: []string{"ARG v\nFROM a:$v\n", "FROM --platform=$BUILDPLATFORM a:${v:-1}\n"},
		},
		"InvalidDefaultArgInFrom": {
			bad: map[string][]string{
				"ARG v\nFROM a:$v\n":   {`2 without --build-arg the image is "a:", which is no name`},
				"ARG v\nFROM ${v}\n":   {`2 without --build-arg the image is "", which is no name`},
				"ARG v=X\nFROM $v/.\n": {`2 without --build-arg the image is "X/.", which is no name`},
			},
			good: []string{"ARG v=1\nFROM a:$v\n", "FROM a:${v:-1}\n", "FROM a AS b-amd64\nFROM b-$TARGETARCH\n", "ARG a=b\nARG c=$a\nFROM $c\n"},
			opt:  Options{Args: map[string]string{"v": "1"}},
		},
		"SecretsUsedInArgOrEnv": {
			bad: map[string][]string{"ARG API_TOKEN\nFROM a\nENV password=x KEY=y\nARG Auth\n": {
				"1 ARG API_TOKEN looks like a secret", "3 ENV KEY looks like a secret", "3 ENV password looks like a secret", "4 ARG Auth looks like a secret"}},
			good: []string{"FROM a\nENV KEYBOARD=de PUBLIC_KEY=x TOKEN_FILE=/y AUTHOR=me\nLABEL key=x\n"},
		},
		"InvalidValue": {
			bad: map[string][]string{
				"FROM a\nENV b=${c^}\n":                      {"2 failed to process \"${c^}\": unsupported modifier (^) in substitution"},
				"FROM a\nRUN --mount=type=bnid,target=/ x\n": {`2 unsupported mount type "bnid" (did you mean bind?)`},
			},
			good: []string{"FROM a\nENV b=${c:?d}\n", "FROM a\nRUN --mount=type=$T,target=/x y\n"},
		},
		"CopyIgnoredFile": {
			bad: map[string][]string{
				"COPY secret /\n":        {"2 COPY secret: .dockerignore leaves it out"},
				"ADD /build/x a.log /\n": {"2 ADD /build/x: .dockerignore leaves it out", "2 ADD a.log: .dockerignore leaves it out"},
			},
			good: []string{"COPY . /\n", "COPY kept /\n", "FROM a AS b\nFROM a\nCOPY --from=b secret /\n", "COPY a/b.log /\n", "COPY <<secret /\nx\nsecret\n"},
			opt:  Options{Ignored: ignored},
		},
		"NoDockerignore": {
			bad:  map[string][]string{"COPY . /app\nCOPY . /b\n": {"2 COPY . takes all files of the directory: list what it need not have in .dockerignore"}},
			good: []string{"COPY src /app\n", "FROM a AS b\nFROM a\nCOPY --from=b . /app\n"},
			opt:  Options{NoIgnoreFile: true},
		},
		"AddWhereCopyDoes": {
			bad:  map[string][]string{"ADD run.sh a.py /\nADD . /app\n": {"2 ADD run.sh a.py only copies: write COPY", "3 ADD . only copies: write COPY"}},
			good: []string{"ADD a.tar.gz /\n", "ADD rootfs /\n", "ADD https://x/a.sh /\n", "ADD $x /\n", "COPY a.sh /\n", "ADD git@host:a.sh /\n", "ADD <<a.sh /\nx\na.sh\n"},
		},
		"CopyOnceMore": {
			bad: map[string][]string{
				"COPY run.sh /run.sh\nRUN chmod +x /run.sh\n":                  {"3 chmod /run.sh stores the files of line 2 once more: write COPY --chmod=755 there"},
				"COPY run.sh /bin/\nRUN a && chmod 700 /bin/run.sh\n":          {"3 chmod /bin/run.sh stores the files of line 2 once more: write COPY --chmod=700 there"},
				"WORKDIR /app\nCOPY . .\nRUN chown -R u:u /app\n":              {"4 chown /app stores the files of line 3 once more: write COPY --chown=u:u there"},
				"WORKDIR /app\nCOPY --chown=u a .\nRUN chown -R u:u .\n":       {"4 chown . stores the files of line 3 once more: it has --chown=u already"},
				"COPY a /etc/tor/a\nRUN chown -R tor /etc/tor && chown x /y\n": {"3 chown /etc/tor stores the files of line 2 once more: write COPY --chown=tor there"},
			},
			good: []string{"COPY . /app\nRUN chown u /app\n", "COPY a /b\nRUN chmod +x /c\n", "COPY a /b\nRUN chmod +x $x\n",
				"FROM a:1 AS b\nCOPY a /b\nRUN chmod +x /b\nFROM a:1\nCOPY --from=b /b /b\n", "RUN curl -o /a x && chmod +x /a\n"},
		},
		"PackageCacheLeft": {
			bad: map[string][]string{
				"RUN apt-get update && apt-get install -y a && apt-get clean\n": {"2 apt-get leaves its lists of packages in this layer: end this RUN with rm -rf /var/lib/apt/lists/*"},
				"RUN apk add a\n":                 {"2 apk leaves its lists of packages in this layer: write apk add --no-cache"},
				"RUN dnf -y install a\n":          {"2 dnf leaves its lists of packages in this layer: end this RUN with its command clean all"},
				"RUN <<E\napk update\nE\n":        {"2 apk leaves its lists of packages in this layer: write apk add --no-cache"},
				"RUN [\"apk\", \"add\", \"a\"]\n": {"2 apk leaves its lists of packages in this layer: write apk add --no-cache"},
			},
			good: []string{
				"RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*\n", "RUN apt-get update; apt-get install -y a; apt-get dist-clean\n",
				"RUN apt-get update && apt-get install -y a && rm -rf /var/lib/{apt,dpkg,cache}\n", "RUN apk add --no-cache a\n", "RUN apk add a && rm -rf /var/cache/apk/*\n",
				"RUN --mount=type=cache,target=/var/cache/apk apk add a\n", "RUN --mount=type=cache,target=/var/lib/apt --mount=type=cache,target=/var/cache/apt apt-get update && apt-get install -y a\n",
				"RUN yum install -y a && yum clean all\n", "RUN dnf install -y a && rm -rf /var/cache/*\n", "RUN apt-get install -y a\n",
				"FROM a:1 AS b\nRUN apk add a\nFROM a:1\nCOPY --from=b /x /x\n", "RUN echo apk add a\n", "RUN apt-get install -y a && rm -rf /var\n",
				"SHELL [\"powershell\"]\nRUN apk add a\n", "RUN python3 <<E\napk add\nE\n",
			},
		},
		"PipCacheLeft": {
			bad: map[string][]string{
				"RUN pip install a\n":               {"2 pip leaves what it fetched in the cache of the user: write pip install --no-cache-dir"},
				"RUN python3 -m pip install a\n":    {"2 pip leaves what it fetched in the cache of the user: write pip install --no-cache-dir"},
				"RUN x; /venv/bin/pip3 install .\n": {"2 pip leaves what it fetched in the cache of the user: write pip install --no-cache-dir"},
			},
			good: []string{"RUN pip install --no-cache-dir a\n", "ENV PIP_NO_CACHE_DIR=1\nRUN pip install a\n", "RUN PIP_NO_CACHE_DIR=1 pip install a\n",
				"RUN --mount=type=cache,target=/root/.cache pip install a\n", "RUN pip install a && rm -rf /root/.cache\n", "RUN pip --version\n", "RUN pipx install a\n", "RUN uv pip install a\n"},
		},
		"RemovedTooLate": {
			bad: map[string][]string{
				"COPY a.tar /tmp/\nRUN tar xf /tmp/a.tar && rm /tmp/a.tar\n":                    {"3 rm /tmp/a.tar only hides what the COPY in line 2 has put into its layer"},
				"RUN wget https://x/a.tgz\nRUN rm a.tgz\n":                                      nil,
				"WORKDIR /w\nRUN wget https://x/a.tgz\nRUN rm a.tgz\n":                          {"4 rm a.tgz only hides what the RUN in line 3 has put into its layer"},
				"RUN curl -sSLo /a x\nRUN rm /a\n":                                              {"3 rm /a only hides what the RUN in line 2 has put into its layer"},
				"RUN cd /s && curl -o a x\nRUN rm -rf /s/*\n":                                   {"3 rm /s only hides what the RUN in line 2 has put into its layer"},
				"RUN apt-get update && apt-get install -y a\nRUN rm -rf /var/lib/apt/lists/*\n": {"3 rm /var/lib/apt/lists only hides what the RUN in line 2 has put into its layer"},
				"RUN mkdir -p /m && make -C /m\nRUN rm -r /m\n":                                 {"3 rm /m only hides what the RUN in line 2 has put into its layer"},
				"RUN yum install -y a\nRUN yum clean all\n":                                     {"3 yum clean all only hides what the RUN in line 2 has put into its layer"},
			},
			good: []string{
				"RUN wget https://x/a -O /a && rm /a\nRUN rm -f /a\n", "COPY a /b\nRUN rm /c\n", "COPY a /b\nRUN rm $x /\n", "RUN wget -O- x | tar x\nRUN rm -rf x\n",
				"FROM a:1 AS b\nCOPY a /b\nRUN rm /b\nFROM a:1\nCOPY --from=b / /\n", "RUN yum install -y a\nRUN yum install -y b && yum clean all\n",
				"RUN wget https://x/a.tgz\nRUN rm -rf /var/lib/apt/lists/*\n", "COPY a /b\nRUN if x; then rm /b; fi\n",
			},
		},
		"UpdateAlone": {
			bad: map[string][]string{
				"RUN apt-get update\nRUN apt-get install -y a\n": {"2 apt-get update is in a RUN of its own: put it into the RUN that installs"},
				"RUN apk update\n": {"2 apk update is in a RUN of its own: put it into the RUN that installs"},
			},
			good: []string{"RUN apt-get update && apt-get install -y a\n", "RUN apt-get update && ./install.sh\n", "RUN yum update -y\n", "RUN --mount=type=cache,target=/var/lib/apt apt-get update\n"},
		},
		"CopyBeforeInstall": {
			bad: map[string][]string{"COPY . /app\nRUN make\nRUN apt-get update && apt-get install -y a && rm -rf /x\nRUN apk add b\n": {"4 put this RUN before the COPY in line 2, which changes more often"},
				"COPY . .\nRUN npm install -g a\n":   {"3 put this RUN before the COPY in line 2, which changes more often"},
				"COPY . .\nRUN pip install a==1.2\n": {"3 put this RUN before the COPY in line 2, which changes more often"}},
			good: []string{"COPY . .\nRUN pip install .\n", "COPY . .\nRUN pip install -e .\n", "COPY . .\nRUN npm install\n", "RUN apk add a\nCOPY . /app\n", "COPY . /app\nRUN apk add a && make && apk del a\n", "COPY . /app\nRUN apt-get install -y ./a.deb\n", "COPY a /app\nRUN apk add a\n", "FROM a:1 AS b\nFROM a:1\nCOPY --from=b . /\nRUN apk add a\n"},
		},
		"CopyManifestFirst": {
			bad: map[string][]string{
				"COPY . .\nRUN npm ci\n":                          {"3 npm installs again after each change, because of line 2: copy only package*.json, install, and then copy the rest"},
				"COPY . .\nRUN pip install -r requirements.txt\n": {"3 pip installs again after each change, because of line 2: copy only requirements.txt, install, and then copy the rest"},
				"ADD . .\nRUN cd a && go mod download\n":          {"3 go mod installs again after each change, because of line 2: copy only go.mod and go.sum, install, and then copy the rest"},
				"COPY . .\nRUN yarn && yarn install\n":            {"3 yarn installs again after each change, because of line 2: copy only package.json and yarn.lock, install, and then copy the rest"},
			},
			good: []string{"COPY package.json .\nRUN npm ci\nCOPY . .\nRUN npm ci --offline && npm run build\n", "COPY . .\nRUN npm install -g x && npm run build && yarn build && yarn --version\n",
				"COPY . .\nRUN pip install .\n", "COPY . .\nRUN go build ./...\n", "COPY go.mod .\nRUN go mod download\nCOPY . .\n"},
		},
		"LostWithRun": {
			bad: map[string][]string{
				"RUN cd /app\n":                     {"2 cd has no effect after this RUN: write WORKDIR /app"},
				"RUN mkdir /x && cd /x\n":           {"2 cd has no effect after this RUN: write WORKDIR /x"},
				"RUN export A=b\n":                  {"2 export has no effect after this RUN: write ENV A=b"},
				"RUN . venv/bin/activate\n":         {"2 . venv/bin/activate has no effect after this RUN"},
				"RUN [\"sh\", \"-c\", \"cd /a\"]\n": {"2 cd has no effect after this RUN: write WORKDIR /a"},
			},
			good: []string{"RUN cd /app && make\n", "RUN export A=b; make\n", "RUN (cd /app; x) && y\n", "RUN x || cd /y\n", "RUN . ./install.sh\n", "RUN if x; then cd /y; fi\n",
				"RUN source activate && pip list\n", "RUN (cd /app && make); (cd /b && cd c)\n"},
		},
		"CdInsteadOfWorkdir": {
			bad:  map[string][]string{"RUN cd /app && make\nRUN cd /app && make install\n": {"3 cd /app, as in line 2: write WORKDIR /app"}},
			good: []string{"RUN cd /app && make\nRUN cd /b && make\n", "RUN cd /tmp && a\nRUN cd /tmp && b\n", "RUN cd a && b\nWORKDIR /x\nRUN cd a && b\n"},
		},
		"InstallWouldAsk": {
			bad: map[string][]string{
				"RUN apt-get update && apt-get install a b\n": {"2 apt-get may ask before it installs: add -y"},
				"RUN dnf install a\n":                         {"2 dnf may ask before it installs: add -y"},
				"RUN zypper in a\n":                           {"2 zypper may ask before it installs: add -n"},
			},
			good: []string{"RUN apt-get install -y a\n", "RUN apt-get install -qqy a\n", "RUN apt-get -yq install a\n", "RUN yes | apt-get install a\n", "RUN apk add a\n", "RUN apt-get install $OPTS a\n",
				"RUN zypper --non-interactive in a\n", "RUN apt-get install --assume-yes a\n", "RUN apt-get update\n"},
		},
		"SudoInRun": {
			bad:  map[string][]string{"RUN sudo -E make && x\n": {"2 leave out sudo, or write USER root before this RUN"}},
			good: []string{"RUN apt-get install -y sudo\n", "RUN echo sudo make\n"},
		},
		"RootAtEnd": {
			bad:  map[string][]string{"USER me\nUSER root\nCMD x\n": {"3 the program runs as root: end with another USER"}, "USER 0:0\n": {"2 the program runs as root: end with another USER"}},
			good: []string{"USER root\nRUN x\nUSER me\n", "CMD x\n", "FROM a:1 AS b\nUSER root\nFROM a:1\n", "USER $U\n"},
		},
		"PipeToShell": {
			bad: map[string][]string{
				"RUN curl -sSL https://x | sh\n":             {"2 what comes from the network is run unseen: store it, check it, and run it then"},
				"RUN wget -qO- https://x | sudo bash -s -\n": {"2 what comes from the network is run unseen: store it, check it, and run it then"},
				"RUN bash <(curl -s https://x)\n":            {"2 what comes from the network is run unseen: store it, check it, and run it then"},
				"RUN sh -c \"$(wget -O- https://x)\"\n":      {"2 what comes from the network is run unseen: store it, check it, and run it then"},
				"RUN curl https://x |\\\n  python3 -\n":      {"2 what comes from the network is run unseen: store it, check it, and run it then"},
			},
			good: []string{"RUN curl https://x | tar xz\n", "RUN curl -o a https://x && sh a\n", "RUN curl https://x | python3 -m json.tool\n", "RUN echo x | sh\n", "RUN curl x | sh -c 'cat > y'\n"},
		},
	}
}

// TestRules tries each rule on files that it is about, and on files that are right.
func TestRules(t *testing.T) {
	all := table(t)
	for _, r := range Rules() {
		c, ok := all[r.Name]
		if !ok {
			t.Errorf("rule %s has no test", r.Name)
		}
		for text, want := range c.bad {
			if diff := cmp.Diff(want, found(t, r.Name, withFrom(text), c.opt)); diff != "" {
				t.Errorf("%s in\n%s%s", r.Name, text, diff)
			}
		}
		for _, text := range c.good {
			if got := found(t, r.Name, withFrom(text), c.opt); got != nil {
				t.Errorf("%s finds %q in\n%s", r.Name, got, text)
			}
		}
	}
	for name := range all {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == name }) {
			t.Errorf("the table has %s, which is no rule", name)
		}
	}
}

// TestTable: the table of rules is documentation.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Name] || r.Title == "" || strings.HasSuffix(r.Title, ".") || !strings.HasSuffix(r.Why, ".") {
			t.Errorf("rule %q: twice, or without Title or Why", r.Name)
		}
		if r.Level != Error && r.Level != Warning && r.Level != Advice {
			t.Errorf("rule %s has the level %q", r.Name, r.Level)
		}
		seen[r.Name] = true
	}
}

func TestDirective(t *testing.T) {
	const body = "FROM a:1\nMAINTAINER me\nCMD run\nUSER root\n"
	for check, want := range map[string][]string{
		"":                         {"MaintainerDeprecated warning", "JSONArgsRecommended warning", "RootAtEnd advice"},
		"skip=JSONArgsRecommended": {"MaintainerDeprecated warning", "RootAtEnd advice"},
		"skip=RootAtEnd, MaintainerDeprecated;error=true": {"JSONArgsRecommended error"},
		"error=true":          {"MaintainerDeprecated error", "JSONArgsRecommended error", "RootAtEnd advice"},
		"skip=all":            nil,
		"skip=all;error=true": nil,
		"sikp=all":            {"InvalidCheck warning", "MaintainerDeprecated warning", "JSONArgsRecommended warning", "RootAtEnd advice"},
		"error=maybe":         {"InvalidCheck warning", "MaintainerDeprecated warning", "JSONArgsRecommended warning", "RootAtEnd advice"},
	} {
		text := body
		if check != "" {
			text = "# check=" + check + "\n" + body
		}
		byDirective := levels(t, text, Options{})
		if diff := cmp.Diff(want, byDirective); diff != "" {
			t.Errorf("%s: %s", check, diff)
		}
		byArg := levels(t, "# check=skip=all\n"+body, Options{Args: map[string]string{"BUILDKIT_DOCKERFILE_CHECK": check}})
		if diff := cmp.Diff(want, byArg); diff != "" {
			t.Errorf("%s as an argument: %s", check, diff)
		}
	}
}

func levels(t *testing.T, text string, opt Options) (all []string) {
	t.Helper()
	f, err := dockerfile.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range Check(f, opt) {
		all = append(all, finding.Rule+" "+finding.Level)
	}
	return all
}

func TestSplit(t *testing.T) {
	for script, want := range map[string][]string{
		"a b&&c || d;e|f":            {"a b &&", "c ||", "d ;", "e |", "f "},
		"a 'b c' \"d \\\" e\" f\\ g": {"a b c d \" e f g "},
		"a # b; c\nd#e":              {"a \n", "d#e "},
		"a 2>&1 &>x & b":             {"a 2>&1 &>x &", "b "},
		"A=1 B=2 c; D=3":             {"c ;"},
		"if a; then b; fi; c":        {"(a ;", "(b ;", "c "},
		"(a; b) && c":                {"(a ;", "(b &&", "c "},
		"a $(b; c) `d; e` ${f:-g} h": {"a $(b; c) `d; e` ${f:-g} h "},
		"a |\n b":                    {"a |", "b "},
		"sudo -E a":                  {"!a "},
		"a \\\n b":                   {"a b "},
		"":                           nil,
		"'a":                         {"a "},
		"$(a":                        {"$(a "},
		"`a":                         {"`a "},
	} {
		var got []string
		for _, c := range split(script) {
			text := c.text() + " " + c.op
			if c.guarded {
				text = "(" + text
			}
			if c.sudo {
				text = "!" + text
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", script, diff)
		}
	}
}

// TestCorpus: files as they are found in the world get through, and no rule
// shouts at all of them.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("MINIDOCK_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "conformance")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "corpus", "files", "*"))
	if err != nil || len(paths) == 0 {
		t.Skipf("the conformance tables are missing (set MINIDOCK_CONFORMANCE to their folder): %s", dir)
	}
	files := map[string]int{}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		f, err := dockerfile.Parse(strings.NewReader(string(data)))
		if err != nil {
			continue
		}
		seen := map[string]bool{}
		for _, found := range Check(f, Options{}) {
			if found.Line < 1 || found.EndLine < found.Line || found.Why == "" {
				t.Errorf("%s: %+v", p, found)
			}
			if !seen[found.Rule] {
				files[found.Rule]++
			}
			seen[found.Rule] = true
		}
	}
	for _, r := range Rules() {
		if n := files[r.Name]; !r.Known && n > len(paths)/3 {
			t.Errorf("%s speaks up in %d of %d files", r.Name, n, len(paths))
		}
	}
	t.Log(files)
}

// TestHostile: a file that is made to be slow is not.
func TestHostile(t *testing.T) {
	const n = 20_000
	var stages strings.Builder
	for i := range n {
		fmt.Fprintf(&stages, "FROM s%d AS s%d\nENV a%d=1\n", i-1, i, i)
	}
	for name, text := range map[string]string{
		"stages":   stages.String(),
		"scopes":   "FROM scratch AS a\nENV" + manyPairs(n) + "\n" + strings.Repeat("FROM a\nENV x=$y\n", n),
		"copies":   "FROM a\n" + strings.Repeat("COPY a /b\nRUN rm /c && chown a /d\n", n),
		"commands": "FROM a\nRUN a" + strings.Repeat(" && rm b; (", n),
		"nested":   "FROM a\nRUN a " + strings.Repeat("$(", n),
		"quotes":   "FROM a\nRUN a " + strings.Repeat("'\"", n),
		"vars":     "FROM scratch\nCOPY " + strings.Repeat("$a$b ", n) + " /\n",
	} {
		start := time.Now()
		f, err := dockerfile.Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(name, err)
		}
		Check(f, Options{})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s take %v", name, took)
		}
		t.Log(name, time.Since(start))
	}
}

func manyPairs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " v%d=1", i)
	}
	return b.String()
}

func FuzzCheck(f *testing.F) {
	f.Add("FROM a\nRUN cd a && (apt-get update; rm -rf b) | sh # c\nCOPY . $d\nUSER root\nEXPOSE 80/TCP\n")
	f.Add("ARG a\nFROM $a AS B\nRUN <<E\nsudo -E pip install -r x\nE\nENV b ${c:-d}\nWORKDIR e\nCMD f\nCMD g\n")
	f.Add("FROM a\nRUN [\"sh\",\"-c\",\"curl x | sh\"]\nADD a /b\nRUN chown -R c /b && wget -O d e && git clone f://g h\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := dockerfile.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		last := strings.Count(text, "\n") + 1
		for _, found := range Check(file, Options{}) {
			if found.Line < 1 || found.EndLine < found.Line || found.EndLine > last {
				t.Errorf("%+v in a file of %d lines", found, last)
			}
		}
	})
}

// TestBuiltIn: an image that is part of the program has no other versions.
func TestBuiltIn(t *testing.T) {
	f, err := dockerfile.Parse(strings.NewReader("FROM tiny AS a\nFROM tiny:latest\nFROM other\n"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, found := range Check(f, Options{BuiltIn: []string{"tiny:latest"}}) {
		if found.Rule == "LatestTag" {
			lines = append(lines, found.Line)
		}
	}
	if want := []int{3}; !slices.Equal(lines, want) {
		t.Errorf("LatestTag in lines %v, want %v", lines, want)
	}
}
