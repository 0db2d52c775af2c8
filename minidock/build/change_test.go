package build

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"minidock.dev/minidock/oci"
)

func TestChange(t *testing.T) {
	before := oci.Config{Env: []string{"A=1"}, Cmd: []string{"old"}, WorkingDir: "/srv"}
	got, err := Change(t.Context(), before, []string{
		`ENTRYPOINT ["/bin/app"]`, `cmd app --port 80`, "ENV B=$A C=3", "EXPOSE 80 53/udp", "WORKDIR sub", "USER 1000", "VOLUME /data",
		"LABEL v=1", "STOPSIGNAL SIGINT", "ONBUILD RUN x",
	})
	want := oci.Config{
		Entrypoint: []string{"/bin/app"}, Cmd: []string{"/bin/sh", "-c", "app --port 80"}, Env: []string{"A=1", "B=1", "C=3"},
		ExposedPorts: map[string]struct{}{"80/tcp": {}, "53/udp": {}}, WorkingDir: "/srv/sub", User: "1000",
		Volumes: map[string]struct{}{"/data": {}}, Labels: map[string]string{"v": "1"}, StopSignal: "SIGINT", OnBuild: []string{"RUN x"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if before.Labels != nil || len(before.Env) != 1 {
		t.Errorf("the given configuration was changed: %+v", before)
	}
	for change, want := range map[string]string{
		"RUN true":     "RUN is not a valid change command",
		"copy a b":     "COPY is not a valid change command",
		"FROM scratch": "FROM is not a valid change command",
		"ARG x":        "ARG is not a valid change command",
		"NOPE":         "unknown instruction: NOPE",
		"EXPOSE x/y":   "invalid proto: y",
	} {
		if _, err := Change(t.Context(), oci.Config{}, []string{change}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", change, err, want)
		}
	}
}
