package cli

import (
	"strconv"
	"time"

	"minidock.dev/minidock/image"
)

// imagesTable has a row an image, under the first of its names.
func (d *diskState) imagesTable(now time.Time) *table {
	t := &table{
		columns: []string{"Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"},
		headers: imageHeaders(),
	}
	for _, i := range d.images {
		cells := imageCells(&image.Summary{ID: i.ID(), Created: i.Config.Created, Size: i.size}, false, now)
		name := splitNames(i.Names, false)[0]
		cells["Repository"], cells["Tag"], cells["Digest"] = name.repository, name.tag, name.digest
		cells["SharedSize"], cells["UniqueSize"], cells["Containers"] = size(i.shared()), size(i.unique), strconv.Itoa(i.users)
		t.rows = append(t.rows, cells)
	}
	return t
}

func (d *diskState) containersTable() *table {
	t := &table{
		columns: []string{"ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"},
		headers: map[string]string{"ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "LocalVolumes": "LOCAL VOLUMES",
			"Size": "SIZE", "RunningFor": "CREATED", "Status": "STATUS", "Names": "NAMES"},
	}
	for _, c := range d.containers {
		t.rows = append(t.rows, c.cells)
	}
	return t
}

// cacheTable has a row a step of a build, and one a cache of RUN --mount. Its size is that of the layer that it
// made, which is shared if an image has it.
func (d *diskState) cacheTable(now time.Time) *table {
	t := &table{
		columns: []string{"ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"},
		headers: map[string]string{"ID": "CACHE ID", "CacheType": "CACHE TYPE", "Size": "SIZE", "CreatedSince": "CREATED",
			"LastUsedSince": "LAST USED", "UsageCount": "USAGE", "Shared": "SHARED"},
	}
	for _, step := range d.steps {
		bytes, shared := d.stepSize(step)
		t.rows = append(t.rows, map[string]string{
			"ID": string(step.Key[:min(12, len(step.Key))]), "CacheType": "regular", "Size": size(bytes), "CreatedSince": age(step.Written, now),
			"LastUsedSince": "", "UsageCount": "0", "Shared": strconv.FormatBool(shared), // nobody writes down when a step is used
		})
	}
	for _, c := range d.caches {
		t.rows = append(t.rows, map[string]string{
			"ID": c.name[:min(12, len(c.name))], "CacheType": "exec.cachemount", "Size": size(c.size), "CreatedSince": "",
			"LastUsedSince": age(c.used, now), "UsageCount": "0", "Shared": "false",
		})
	}
	return t
}

// stepSize is the size of the layer that a step made, 0 if it made none or the
// image is gone.
func (d *diskState) stepSize(step cachedStep) (bytes int64, shared bool) {
	if step.after == nil {
		return step.Size, false
	}
	shared = d.parts[step.Manifest.Digest]
	history, layers := step.after.Config.History, step.after.Layers
	if len(history) == 0 || history[len(history)-1].EmptyLayer || len(layers) == 0 {
		return 0, shared
	}
	top := layers[len(layers)-1].DiffID
	if known := d.layers[top]; known != nil {
		return known.size, shared
	}
	return d.cached[top], shared
}
