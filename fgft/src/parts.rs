//! What the parts of a domain's memory are called: see `regions.rs`.

use std::ops::Range;

use crate::domain::GUARD;
use crate::image::Layout;
use crate::memory::{PAGE, Reservation};
use crate::regions::{RegionName, name_region};

/// Names all parts of the two mappings of the domain `name`, as `Domain` lays them out.
pub(crate) fn name_parts(
    name: &str,
    layout: &Layout,
    file: &Reservation,
    stack: &Reservation,
    stack_size: usize,
) -> Vec<RegionName> {
    let mut names = Vec::with_capacity(layout.images + 10);
    let mut part = |of: &Reservation, range: Range<usize>, what: &str| {
        let range = of.at(range.start) as u64..of.at(range.end) as u64;
        names.push(name_region(range, format!("{what} of domain {name}")));
    };
    let top = GUARD + stack_size;
    part(stack, 0..GUARD, "guard below the stack");
    part(stack, GUARD..top, "stack");
    part(stack, top..top + GUARD, "guard above the stack");

    let own = GUARD + layout.state + GUARD; // where the file's part that code inside may write begins
    let (host, own_end) = (GUARD..GUARD + layout.state, own + layout.total - layout.state);
    part(file, 0..GUARD, "guard below the images");
    part(file, host.start..host.start + PAGE, "image header");
    for image in 0..layout.images {
        let start = host.start + PAGE + image * layout.image_size;
        part(file, start..start + layout.image_size, &format!("image {image}"));
    }
    part(file, host.start + layout.ledger..host.end, "ledger (the host's)");
    part(file, host.end..own, "guard below the state");
    part(file, own..own + layout.scratch - layout.state, "state");
    part(file, own + layout.scratch - layout.state..own_end, "scratch area");
    part(file, own_end..own_end + GUARD, "guard above the state");
    names
}
