//! What others have published, of machines of their own: it stands beside our figures and is not compared digit by digit.

/// Kadav, Renzelmann and Swift, "Fine-Grained Fault Tolerance using Device Checkpoints", ASPLOS 2013.
pub(super) const FGFT: &str =
    "Kadav, Renzelmann and Swift, \"Fine-Grained Fault Tolerance using Device Checkpoints\", ASPLOS 2013";

/// A driver of that paper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    /// Our driver of the same chip.
    pub(super) driver: &'static str,
    /// Theirs.
    pub(super) name: &'static str,
    /// Recovery by a restart, and by a rollback, seconds.
    pub(super) restart: f64,
    pub(super) fgft: f64,
}

/// Its table of recovery: by a restart of the driver, and by a rollback.
pub(super) const RECOVERY: [Published; 6] = [
    Published { driver: "rtl8139", name: "8139too", restart: 0.31, fgft: 70e-6 },
    Published { driver: "e1000", name: "e1000", restart: 1.80, fgft: 295e-3 },
    Published { driver: "r8169", name: "r8169", restart: 0.12, fgft: 40e-6 },
    Published { driver: "pegasus", name: "pegasus", restart: 0.15, fgft: 5e-3 },
    Published { driver: "ens1371", name: "ens1371", restart: 1.03, fgft: 115e-3 },
    Published { driver: "psmouse", name: "psmouse", restart: 0.68, fgft: 410e-3 },
];

/// Lines that it moved into checkpoint and restore functions of a driver: least and most.
pub(super) const MOVED: (u32, u32) = (16, 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_its_table_is_its_mean() {
        let (restart, fgft) = RECOVERY.iter().fold((0.0, 0.0), |(r, f), row| (r + row.restart, f + row.fgft));
        assert!((0.79..0.80).contains(&(1.0 - fgft / restart)), "{}", 1.0 - fgft / restart);
    }
}
