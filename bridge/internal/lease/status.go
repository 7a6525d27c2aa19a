package lease

// Role is what a process does at the moment.
type Role string

// The roles.
const (
	RoleActive  Role = "active"
	RoleStandby Role = "standby"
)

// Status is how things stand.
type Status struct {
	Role   Role
	Epoch  uint64 // of the active one; 0 in standby
	Holder string // who is active, as far as known
	Err    error  // why the lease cannot be seen or renewed at the moment; nil: it can
}

// report logs what has changed, and passes it on.
func (c *contender) report(s Status) {
	was := c.status
	c.status = s
	moved := s.Role != was.Role || s.Epoch != was.Epoch || s.Holder != was.Holder
	switch {
	case s.Err != nil && was.Err == nil:
		c.log.Warn("lease out of reach", "role", s.Role, "epoch", s.Epoch, "err", s.Err)
	case s.Err != nil:
		return // said already
	case moved && s.Role == RoleActive:
		c.log.Info("lease acquired", "role", s.Role, "epoch", s.Epoch)
	case moved:
		c.log.Info("standing by", "role", s.Role, "holder", s.Holder)
	case was.Err != nil:
		c.log.Info("lease in reach again", "role", s.Role, "epoch", s.Epoch)
	default:
		return
	}
	if c.opt.Notify != nil {
		c.opt.Notify(s)
	}
}
