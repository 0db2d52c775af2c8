package draw

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// A picture is what all of them can do.
type picture interface {
	Text(Options) string
	SVG() string
}

func digestOf(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }

func step(createdBy string, size int64) Step { return Step{createdBy, digestOf(createdBy), size} }

func setting(createdBy string) Step { return Step{CreatedBy: "/bin/sh -c #(nop)  " + createdBy} }

func base() []Step { return []Step{step("minidock toolbox", 9_270_000), setting(`CMD ["sh"]`)} }

func imageOf(name string, steps ...Step) Image {
	return Image{Names: []string{name}, ID: digestOf("image " + name), Steps: append(base(), steps...)}
}

func containers(names ...string) (list []Container) {
	for n, name := range names {
		list = append(list, Container{Name: name, ID: digestOf(name), Size: int64(n * 1234), Files: n, Removed: n / 3})
	}
	return list
}

func app() Image {
	return imageOf("my-app:latest",
		step(`/bin/sh -c echo "made while building" > /built`, 20),
		step("/bin/sh -c #(nop) COPY dir:"+strings.Repeat("1a2b", 16)+" in /app ", 185),
		setting(`CMD ["/app/run.sh"]`))
}

func twelve() Image {
	return imageOf("web:2.1",
		setting("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 VERSION=2.1"),
		step("RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends nginx && rm -rf /var/lib/apt/lists/* # buildkit", 61_300_000),
		setting("WORKDIR /srv"),
		step("COPY package.json package-lock.json ./ # buildkit", 412_000),
		step("RUN /bin/sh -c npm ci # buildkit", 34_800_000),
		step("COPY . . # buildkit", 1_950_000),
		setting("USER www-data"), setting("EXPOSE 8080"), setting(`ENTRYPOINT ["/docker-entrypoint.sh"]`), setting(`CMD ["nginx", "-g", "daemon off;"]`))
}

func longNames() Image {
	i := imageOf("registry.example.com:5000/"+strings.Repeat("a-department/with-a-long-name/", 4)+"service:2026-11-21-nightly",
		step("/bin/sh -c "+strings.Repeat("echo a rather long line of shell && ", 20)+"true", 1),
		step("RUN "+strings.Repeat("x", 300), 123_456),
		setting("LABEL "+strings.Repeat("org.example.label=value ", 20)),
		step("COPY 図書館/日本語の長い名前のファイル /データ/日本語の長い名前のファイル日本語の長い名前のファイル", 77_777))
	i.Containers = containers("a", strings.Repeat("long-container-name-", 6)+"1", "日本語の長い名前の容器日本語の長い名前の容器")
	return i
}

func ten() (list []Image) {
	list = append(list, imageOf("tiny:latest"))
	for n := range 10 {
		list = append(list, imageOf(fmt.Sprintf("app-number-%02d:latest", n+1), step(fmt.Sprintf("COPY app%d /app", n+1), int64(n+1)*150_000), setting("CMD /app")))
	}
	return list
}

func family() []Image {
	middle := step("RUN apk add python3", 41_000_000)
	one := imageOf("shop:1.0", middle, step("COPY shop /shop", 812_000))
	one.Names = append(one.Names, "shop:latest")
	two := imageOf("blog:latest", middle, step("COPY blog /blog", 95_000), step("RUN compile /blog", 2_400_000))
	old := imageOf("", middle, step("COPY blog /blog-old", 95_000))
	old.Names = nil
	other := Image{Names: []string{"static:latest"}, ID: digestOf("static"), Steps: []Step{step("COPY server /server", 5_100_000), step("COPY shop /shop", 812_000)}}
	empty := Image{Names: []string{"empty:latest"}, ID: digestOf("empty"), Steps: []Step{setting("CMD nothing")}}
	python := imageOf("python:3", middle)
	one.Containers, two.Containers = containers("shop-1", "shop-2"), containers("blog")
	python.Containers = containers("sleepy_einstein")
	return []Image{one, two, old, other, empty, python, imageOf("tiny:latest")}
}

func fiveContainers() Image {
	i := app()
	i.Containers = containers("app1", "sleepy_einstein", "x", "optimistic_chandrasekhar", "db")
	return i
}

func files() Tree {
	tree := Tree{Name: "later:latest", Layers: []Layer{
		{Step: base()[0], Changes: []Change{{Kind: Added, Name: "bin", Dir: true}, {Kind: Added, Name: "bin/sh", Size: 9_268_000}, {Kind: Added, Name: "etc", Dir: true},
			{Kind: Added, Name: "etc/passwd", Size: 1200}, {Kind: Added, Name: "etc/motd", Size: 800}}},
		{Step: step("/bin/sh -c mkdir /mess && head -c 10000000 /dev/urandom > /mess/file", 10_000_000), Changes: []Change{
			{Kind: Added, Name: "mess", Dir: true}, {Kind: Added, Name: "mess/file", Size: 10_000_000}}},
		{Step: step("/bin/sh -c rm -r /mess && adduser ada", 1230), Changes: []Change{
			{Kind: Removed, Name: "mess", Dir: true, Hidden: 10_000_000}, {Kind: Changed, Name: "etc/passwd", Size: 1230, Hidden: 1200},
			{Kind: Removed, Name: "etc/motd", Hidden: 800}, {Kind: Added, Name: "var/lib/long/way/down/file"}, {Kind: Added, Name: "var/lib/long/way/down/other", Size: 0}}},
		{Step: step("COPY many /many", 4000), Changes: many()},
		{Step: Step{CreatedBy: "app1", Size: 33}, Writable: true, Changes: []Change{
			{Kind: Changed, Name: "var/lib", Dir: true, Opaque: true}, {Kind: Added, Name: "var/lib/new", Size: 33}}},
	}}
	return tree
}

func many() (list []Change) {
	list = []Change{{Kind: Added, Name: "many", Dir: true}}
	for n := range 12 {
		list = append(list, Change{Kind: Added, Name: fmt.Sprintf("many/d%02d", n), Dir: true})
		for f := range 5 {
			list = append(list, Change{Kind: Added, Name: fmt.Sprintf("many/d%02d/f%d", n, f), Size: 66})
		}
	}
	return list
}

func pictures() map[string]picture {
	return map[string]picture{
		"small":       Stack{app()},
		"steps":       Stack{twelve()},
		"containers":  Stack{fiveContainers()},
		"long":        Stack{longNames()},
		"apps":        Ancestry{ten()},
		"family":      Ancestry{family()},
		"shared":      Ancestry{[]Image{fiveContainers()}},
		"long-family": Ancestry{[]Image{longNames(), app(), twelve()}},
		"empty":       Ancestry{},
		"files":       files(),
	}
}
