package main

import (
	"minidock.dev/minidock/container"
	"minidock.dev/minidock/namespace"
	"minidock.dev/minidock/sandbox"
)

// again is for this program when it was started by itself. The kernel changes
// some properties of a process only while it is young or has one thread, so
// parts of minidock run in a new process that begins here:
//
//	minidock-init     becomes the first process of a container
//	minidock-monitor  stays beside a container for as long as it runs
//
// and a command that an ordinary user gave waits to be root of a user namespace.
func again(name string) {
	switch name {
	case sandbox.InitName:
		sandbox.Init() // does not return
	case container.MonitorName:
		container.Monitor() // does not return
	}
	namespace.AwaitMapping()
}
