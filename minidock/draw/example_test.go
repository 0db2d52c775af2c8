package draw_test

import (
	"fmt"

	"minidock.dev/minidock/draw"
)

func steps() []draw.Step {
	return []draw.Step{
		{CreatedBy: "a base", DiffID: "sha256:96ae8d19edd5", Size: 7_800_000},
		{CreatedBy: "/bin/sh -c #(nop) COPY run.sh /app", DiffID: "sha256:f532dcae66d5", Size: 158},
		{CreatedBy: `/bin/sh -c #(nop)  CMD ["/app/run.sh"]`},
	}
}

func ExampleStack() {
	s := draw.Stack{Image: draw.Image{
		Names: []string{"my-app:latest"}, ID: "sha256:8ae3af4326b4", Steps: steps(),
		Containers: []draw.Container{{Name: "app1"}, {Name: "app2", Size: 12, Files: 1}},
	}}
	fmt.Print(s.Text(draw.Options{Width: 64}))
	// Output:
	// my-app:latest
	// 8ae3af4326b4 · 2 layers · 7.8MB · 2 containers
	//
	// ╭╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╮ ╭╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╮
	// ╎ app1                        ╎ ╎ app2                        ╎
	// ╎ nothing written             ╎ ╎ 12B, 1 file                 ╎
	// ╰╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╯ ╰╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╯
	// above: writable, one layer for each container
	// below: read-only, the layers of the image, for all of them
	// ┌─ CMD ["/app/run.sh"] ─────────────────────────────────── 0B ─┐
	// │ COPY run.sh /app                      f532dcae66d5      158B │
	// ├──────────────────────────────────────────────────────────────┤
	// │                                                              │
	// │                                                              │
	// │ a base                                96ae8d19edd5     7.8MB │
	// │                                                              │
	// │                                                              │
	// └──────────────────────────────────────────────────────────────┘
}

func ExampleAncestry() {
	base := draw.Image{Names: []string{"base:latest"}, ID: "sha256:1c19ec9caba2", Steps: steps()[:1]}
	app := draw.Image{Names: []string{"my-app:latest"}, ID: "sha256:8ae3af4326b4", Steps: steps()}
	fmt.Print(draw.Ancestry{Images: []draw.Image{base, app}}.Text(draw.Options{Width: 64}))
	// Output:
	// 2 images
	// 2 layers · 7.8MB stored · 15.6MB as separate copies
	//
	// ◆ my-app:latest                           8ae3af4326b4     7.8MB
	// ■ COPY run.sh /app                        f532dcae66d5      158B
	// ├─◆ base:latest                           1c19ec9caba2     7.8MB
	// ■ a base  in 2 images                     96ae8d19edd5     7.8MB
	// ○ scratch
	//
	// ■ layer, read-only   ◆ image   □ writable layer of a container
}

func ExampleTree() {
	t := draw.Tree{Name: "my-app:latest", Layers: []draw.Layer{
		{Step: steps()[0], Changes: []draw.Change{{Kind: draw.Added, Name: "etc/motd", Size: 7_800_000}}},
		{Step: draw.Step{CreatedBy: "RUN rm /etc/motd", DiffID: "sha256:ed43b6d7ef70"}, Changes: []draw.Change{
			{Kind: draw.Removed, Name: "etc/motd", Hidden: 7_800_000}}},
	}}
	fmt.Print(t.Text(draw.Options{Width: 64}))
	// Output:
	// my-app:latest
	// 2 layers · 7.8MB · 7.8MB wasted (100%)
	//
	// ■ a base                                  96ae8d19edd5     7.8MB
	//   A etc/motd                                               7.8MB
	//
	// ■ RUN rm /etc/motd                        ed43b6d7ef70        0B
	//   D etc/motd  whiteout, hides 7.8MB
	//
	// A added   C changed: the whole file again
	// D removed: a whiteout
	// wasted: bytes of files that later layers replace or remove; they
	// stay below
}
