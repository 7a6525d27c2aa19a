package bridge

import "slices"

// move is something that a schedule may consist of.
type move struct {
	name   string // N, SERVER, the bridge and the link stand for what it is made with
	weight int
	may    func(now *situation) bool
	then   func(now *situation) // what it comes to; nil: nothing changes
	do     func(w *world, server, n int)
}

// moves are the faults, their ends, and what goes on meanwhile. Faults overlap, as their ends are moves of their own.
var moves = []*move{
	{"N frames are sent", 30, (*situation).feeds, nil, frames((*world).send)},
	{"N frames are sent to whoever streams still", 30, mayStreamStill, nil, frames((*world).sendOn)},
	{"what was sent is read", 5, whileBridge(up), nil, do((*world).awaitRead)},
	{"what was read is on disk", 5, (*situation).spoolsAll, nil, do((*world).awaitSpooled)},
	{"what was read is stored", 5, (*situation).stores, nil, do((*world).awaitStored)},
	{"what was read is stored without the disk", 20, func(now *situation) bool { return now.stores() && now.diskIs == diskHangs }, nil, do((*world).awaitStored)},

	{"the bridge is killed", 5, whileBridge(up, stopped), (*situation).bridgeEnds, do((*world).killBridge)},
	{"the bridge is asked to stop", 4, whileBridge(up), (*situation).bridgeEnds, do((*world).endBridge)},
	{"the bridge starts", 20, whileBridge(down), bridgeIs(up), do((*world).startBridge)},
	{"the bridge is paused", 3, whileBridge(up), bridgeIs(stopped), do((*world).pauseBridge)},
	{"N frames are sent, the bridge is paused, N more are sent, and the other is active", 10, mayReplace, bridgeIs(stopped), frames((*world).replace)},
	{"the bridge goes on", 10, whileBridge(stopped), bridgeIs(up), do((*world).continueBridge)},

	{"SERVER is killed", 4, whileServer(up, stopped), serverIs(down), onServer((*natsServer).kill)},
	{"SERVER is asked to stop", 3, whileServer(up), serverIs(down), onServer((*natsServer).end)},
	{"SERVER starts", 20, whileServer(down), serverIs(up), onServer(func(s *natsServer) { s.up() })},
	{"SERVER is paused", 3, mayPauseServer, serverIs(stopped), onServer((*natsServer).pause)},
	{"SERVER goes on", 10, whileServer(stopped), serverIs(up), onServer((*natsServer).resume)},

	{"the link is cut", 4, always, nil, onLinks((*links).cut)},
	{"the link is reset", 3, always, nil, onLinks((*links).reset)},
	{"answers get lost on the link", 3, whileLink(linkOpen), linkIs(linkDeaf), setLink(linkDeaf)},
	{"the link freezes", 3, whileLink(linkOpen), linkIs(linkFrozen), setLink(linkFrozen)},
	{"the link slows down", 3, whileLink(linkOpen), linkIs(linkSlow), setLink(linkSlow)},
	{"the link is well again", 12, whileLink(linkDeaf, linkFrozen, linkSlow), linkIs(linkOpen), setLink(linkOpen)},

	{"the stream is full", 3, (*situation).stores, func(now *situation) { now.full = true }, onBus((*bus).fill)},
	{"the stream has room", 10, func(now *situation) bool { return now.full && now.quorate() }, func(now *situation) { now.full = false }, onBus((*bus).widen)},

	{"the bridge's disk is full", 3, (*situation).spools, diskIs(diskFull), setDisk(diskFull)},
	{"the bridge's disk hangs", 3, (*situation).spools, diskIs(diskHangs), setDisk(diskHangs)},
	{"the bridge's disk slows down", 3, whileDisk(diskWell), diskIs(diskSlow), setDisk(diskSlow)},
	{"the bridge's disk is well again", 10, whileDisk(diskFull, diskHangs, diskSlow), diskIs(diskWell), setDisk(diskWell)},

	{"REST breaks down for some requests", 5, func(now *situation) bool { return now.fills }, nil, frames(func(w *world, n int) { w.vendor.troubleREST(n) })},

	{"the disk of the stream's server is copied", 6, mayCopyServer, func(now *situation) { now.storeKept = true }, onBus((*bus).keep)},
	{"the stream's server is taken back to the copy of its disk", 6, mayTakeServerBack, serverIs(up), do((*world).takeServerBack)},
	{"N frames are sent and stored, the stream's server is taken back, and others store more than it lost", 25, mayHideLoss, nil, frames((*world).takeBackAndHide)},
	{"the bridge's disk is copied", 3, (*situation).spoolsAll, func(now *situation) { now.spoolKept = true }, do((*world).keepSpool)},
	{"the bridge is taken back to the copy of its disk", 4, func(now *situation) bool { return now.spoolKept }, (*situation).bridgeEnds, do((*world).takeBridgeBack)},
}

// mayPauseServer: in a cluster the others store meanwhile what the server had taken, and it passes that on when it goes on. It would come
// twice, and too late for servers that forget ids at once; of two bridges, behind what the other has sent since.
func mayPauseServer(now *situation) bool {
	return now.servers[now.server] == up && (len(now.servers) == 1 || !now.brief && !now.pair)
}

// mayCopyServer: what the server lacks when it is taken back, a tight queue has not kept, and a stream that was full would not take again.
// Of two bridges, the one that stands by does not notice.
func mayCopyServer(now *situation) bool {
	return now.replicas == 1 && now.servers[0] == up && !now.tight && !now.full && !now.pair
}

// mayTakeServerBack: what the server then lacks, the bridge has on disk, or in memory and sends it again at once.
func mayTakeServerBack(now *situation) bool {
	onDisk := now.disk && now.diskIs.takes()
	if now.remote() { // the others remember what there is beside the stream; and it may take long until the bridge notices
		return now.storeKept && !now.full && onDisk && now.whole()
	}
	return now.storeKept && !now.full && (onDisk || now.bridge == up && now.link == linkOpen)
}

// mayHideLoss: others may store in the stream.
func mayHideLoss(now *situation) bool {
	return now.remote() && now.feeds() && now.stores() && mayTakeServerBack(now)
}

// mayReplace: there is another bridge, which can take over.
func mayReplace(now *situation) bool {
	return now.bridge == up && now.quorate() && slices.ContainsFunc(now.hosts, func(h *hostSituation) bool {
		return h != now.hostSituation && h.linked()
	})
}

// mayStreamStill: a bridge that is paused, or is about to lose the lease, may have a session.
func mayStreamStill(now *situation) bool {
	return !now.feeds() && slices.ContainsFunc(now.hosts, func(h *hostSituation) bool { return h.bridge != down })
}

func always(*situation) bool { return true }

func whileBridge(is ...condition) func(*situation) bool {
	return func(now *situation) bool { return slices.Contains(is, now.bridge) }
}

func whileServer(is ...condition) func(*situation) bool {
	return func(now *situation) bool { return slices.Contains(is, now.servers[now.server]) }
}

func whileLink(is ...linkState) func(*situation) bool {
	return func(now *situation) bool { return slices.Contains(is, now.link) }
}

func whileDisk(is ...diskState) func(*situation) bool {
	return func(now *situation) bool { return now.disk && now.bridge == up && slices.Contains(is, now.diskIs) }
}

func bridgeIs(c condition) func(*situation) { return func(now *situation) { now.bridge = c } }
func serverIs(c condition) func(*situation) {
	return func(now *situation) { now.servers[now.server] = c }
}
func linkIs(l linkState) func(*situation) { return func(now *situation) { now.link = l } }
func diskIs(d diskState) func(*situation) { return func(now *situation) { now.diskIs = d } }

// do makes a move of what needs no server and no number.
func do(f func(*world)) func(*world, int, int) { return func(w *world, _, _ int) { f(w) } }

// frames makes a move of what needs a number of frames.
func frames(f func(*world, int)) func(*world, int, int) { return func(w *world, _, n int) { f(w, n) } }

func onServer(f func(*natsServer)) func(*world, int, int) {
	return func(w *world, server, _ int) { f(w.bus.servers[server]) }
}

func onBus(f func(*bus)) func(*world, int, int) { return do(func(w *world) { f(w.bus) }) }

func onLinks(f func(*links)) func(*world, int, int) { return do(func(w *world) { f(w.links) }) }

func setLink(l linkState) func(*world, int, int) { return onLinks(func(all *links) { all.set(l) }) }

func setDisk(d diskState) func(*world, int, int) { return do(func(w *world) { w.setDisk(d) }) }
