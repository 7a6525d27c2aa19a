package bridge

import "runtime/debug"

// version is set when a release is built: -ldflags "-X bridge/bridge.version=v1.2.3".
var version string

// Version is the version of the program: of the release, else what Go knows of the sources, which with go build in a
// clone is their revision, and with go run nothing.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
