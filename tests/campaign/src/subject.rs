//! Which driver.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// RTL8139.
    Rtl8139,
    /// Intel 82540EM.
    E1000,
    /// RTL8169.
    R8169,
    /// ADM8511.
    Pegasus,
    /// ES1371.
    Ens1371,
    /// PS/2 mice.
    Psmouse,
}

impl Subject {
    /// All.
    pub(crate) const ALL: [Subject; 6] =
        [Subject::Rtl8139, Subject::E1000, Subject::R8169, Subject::Pegasus, Subject::Ens1371, Subject::Psmouse];

    /// The name of its crate.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Subject::Rtl8139 => "rtl8139",
            Subject::E1000 => "e1000",
            Subject::R8169 => "r8169",
            Subject::Pegasus => "pegasus",
            Subject::Ens1371 => "ens1371",
            Subject::Psmouse => "psmouse",
        }
    }
}
