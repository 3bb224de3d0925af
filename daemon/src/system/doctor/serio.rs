//! A PS/2 port: its driver, its node.

use super::super::System;
use super::super::address::SerioPort;
use super::Check;

impl System {
    pub(super) fn check_serio(&self, port: SerioPort) -> Vec<Check> {
        let bind = format!("sudo udrvctl bind serio:{port}");
        match self.serio_driver(port).as_deref() {
            Some("serio_raw") => {}
            Some(driver) => {
                let says = format!("the kernel's driver {driver} has it");
                return vec![Check::failure("kernel-driver", says, bind)];
            }
            None => return vec![Check::failure("kernel-driver", "no driver has it, and serio_raw must", bind)],
        }
        let mut checks = vec![Check::ok("kernel-driver", "serio_raw")];
        let nodes = self.serio_nodes(port);
        match nodes.first().filter(|node| node.exists()) {
            Some(node) => checks.extend([self.check_access("node", node), self.check_holder(&nodes)]),
            None => {
                let says = "serio_raw has it, and there is no node of it in /dev";
                checks.push(Check::failure("node", says, format!("sudo udrvctl unbind serio:{port}; {bind}")));
            }
        }
        checks
    }
}
