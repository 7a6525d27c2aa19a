package bridge

import "runtime/debug"

// version is set when a release is built: -ldflags "-X bridge/bridge.version=v1.2.3".
var version string

// devel is what Go calls a build that is of no release.
const devel = "(devel)"

// Version is the version of the program: of the release, else what Go knows of the sources it was built from.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return devel
	}
	if info.Main.Version != devel {
		return info.Main.Version
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = " " + s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			if s.Value == "true" {
				modified = ", modified"
			}
		}
	}
	return devel + revision + modified
}
