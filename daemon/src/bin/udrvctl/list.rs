//! `list`.

use udrv_daemon::directory;
use udrv_daemon::system::System;
use udrv_daemon::system::devices::{Device, Listing};

use crate::exit::{Exit, Failure};
use crate::output::{complain, print, print_json, table};

/// Devices of this machine that a driver here drives: address, name, ids, drivers, IOMMU group, who drives each now.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The others too.
    #[arg(long)]
    all: bool,
}

impl Args {
    pub(crate) fn run(&self, json: bool) -> Result<Exit, Failure> {
        let mut listing = System::default().devices(&directory::of_client());
        if !self.all {
            listing.devices.retain(|device| device.driver.is_some());
        }
        if json {
            print_json(&listing)?;
        } else {
            print(&shown(&listing, self.all))?;
            listing.unreadable.iter().for_each(|line| complain(line));
        }
        Ok(if listing.unreadable.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

fn shown(listing: &Listing, all: bool) -> String {
    if listing.devices.is_empty() {
        return match all {
            true => "this machine shows no device on PCI, USB or PS/2\n".to_owned(),
            false => "no device here that a driver of udrv drives; --all shows the others\n".to_owned(),
        };
    }
    let heading = ["device", "id", "driver", "kernel driver", "group", "driven by", "name"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(heading).chain(listing.devices.iter().map(row)).collect();
    table(&rows)
}

fn row(device: &Device) -> [String; 7] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        device.device.clone(),
        device.id.clone(),
        or_none(device.driver.map(str::to_owned)),
        or_none(device.kernel_driver.clone()),
        or_none(device.iommu_group.map(|group| group.to_string())),
        device.driven_by.to_string(),
        device.name.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use udrv_daemon::system::devices::DrivenBy;

    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_what_is_not_known_is_a_dash() {
        let device = |device: &str, driver, group| Device {
            device: device.to_owned(),
            name: "Realtek RTL8139".to_owned(),
            id: "10ec:8139".to_owned(),
            driver,
            kernel_driver: None,
            iommu_group: group,
            driven_by: DrivenBy::Nobody,
        };
        let devices = vec![device("pci:0000:00:04.0", Some("rtl8139"), Some(7)), device("usb:1-2", None, None)];
        let text = shown(&Listing { devices, unreadable: Vec::new() }, true);
        assert_eq!(
            text,
            "device            id         driver   kernel driver  group  driven by  name\n\
             pci:0000:00:04.0  10ec:8139  rtl8139  -              7      nobody     Realtek RTL8139\n\
             usb:1-2           10ec:8139  -        -              -      nobody     Realtek RTL8139\n"
        );
        assert!(shown(&Listing::default(), false).contains("--all"));
    }
}
