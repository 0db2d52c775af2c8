package cli

import (
	"context"
	"time"

	"minidock.dev/minidock/container"
)

// diskContainers are all containers with what they have written.
func (a *app) diskContainers(ctx context.Context, now time.Time) (list []diskContainer, err error) {
	boxes, err := a.containers()
	if err != nil {
		return nil, err
	}
	all, err := boxes.List(ctx)
	for _, c := range all {
		d := diskContainer{
			cells: a.psRow(ctx, psOptions{}, c, now), size: filesSize(c.Upper()), active: c.Status == container.Running,
		}
		d.cells["Size"], d.cells["LocalVolumes"] = size(d.size), "0"
		list = append(list, d)
	}
	return list, err
}
