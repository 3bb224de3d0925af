//! A PS/2 port: its driver, its node.

use udrv::serio::raw::PortSummary;

use super::super::System;
use super::Check;

impl System {
    pub(super) fn check_serio(&self, port: &PortSummary) -> Vec<Check> {
        let name = &port.name;
        let bind = format!("sudo udrvctl bind serio:{name}");
        match port.driver.as_deref() {
            Some("serio_raw") => {}
            Some(driver) => {
                let says = format!("the kernel's driver {driver} has it");
                return vec![Check::failure("kernel-driver", says, bind)];
            }
            None => return vec![Check::failure("kernel-driver", "no driver has it, and serio_raw must", bind)],
        }
        let mut checks = vec![Check::ok("kernel-driver", "serio_raw")];
        match self.serio().node(name).filter(|node| node.exists()) {
            Some(node) => checks.extend([self.check_access("node", &node), self.check_holder(&[node])]),
            None => {
                let says = "serio_raw has it, and there is no node of it in /dev";
                checks.push(Check::failure("node", says, format!("sudo udrvctl unbind serio:{name}; {bind}")));
            }
        }
        checks
    }
}
