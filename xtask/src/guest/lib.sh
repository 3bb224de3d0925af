# Helpers for the scripts that run in the guest. A script begins with `. /guest/lib.sh`.

# Debian's busybox takes its own applet before a program in PATH, and its `ip` knows no namespaces.
ip() {
    /usr/local/bin/ip "$@"
}

# fail TEXT...: ends the script with a message and status 1. Within $(...) it ends that: add `|| exit 1`.
fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# within SECONDS COMMAND...: tries the command until it succeeds; fails when it has not by then.
# The pause only limits how often it is tried; the condition is the command's.
within() {
    local now deadline
    read -r now _ < /proc/uptime
    deadline=$((${now%.*} + $1 + 1))
    shift
    until "$@"; do
        read -r now _ < /proc/uptime
        [ "${now%.*}" -lt "$deadline" ] || return 1
        usleep 20000
    done
}

# count_frames NAMESPACE INTERFACE ADDRESS FILE: from when it returns on, what comes there of numbered frames to ADDRESS is counted. FILE
# has the count when they end. Its process is $counter.
count_frames() {
    rm -f /tmp/counts
    ip netns exec "$1" udrv-judge count-frames "$2" --to "$3" --ready /tmp/counts > "$4" &
    counter=$!
    within 30 [ -e /tmp/counts ] || fail "nothing counts frames at $2"
}

# pci_driver ADDRESS: prints the name of the driver that has the PCI device, or nothing.
pci_driver() {
    [ ! -e "/sys/bus/pci/devices/$1/driver" ] || basename "$(readlink "/sys/bus/pci/devices/$1/driver")"
}

# iommu_group ADDRESS: prints the number of the device's IOMMU group.
iommu_group() {
    [ -e "/sys/bus/pci/devices/$1/iommu_group" ] || fail "$1 is in no IOMMU group: is intel_iommu on?"
    basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"
}

# bind_vfio ADDRESS: gives the device to vfio-pci, taking it from the driver that has it. Needs the module vfio-pci.
# The device stays so: driver_override keeps other drivers off.
bind_vfio() {
    udrvctl bind "pci:$1" > /dev/null || fail "vfio-pci does not take $1"
    [ "$(pci_driver "$1")" = vfio-pci ] || fail "udrvctl bind says that it has bound $1, and has not"
}

# unbind_vfio ADDRESS DRIVER: gives the device back to the kernel, whose driver must take it.
unbind_vfio() {
    udrvctl unbind "pci:$1" > /dev/null || fail "$1 cannot be given back"
    [ "$(pci_driver "$1")" = "$2" ] || fail "$2 does not take $1 back"
}

# pci_interface ADDRESS: prints the network interface that a kernel driver made for the device.
pci_interface() {
    within 5 [ -d "/sys/bus/pci/devices/$1/net" ] || fail "no network interface on $1"
    ls "/sys/bus/pci/devices/$1/net"
}

# interface_driver INTERFACE: prints the name of the kernel driver behind a network interface.
interface_driver() {
    basename "$(readlink "/sys/class/net/$1/device/driver")"
}

# has_interface_of DRIVER: prints the first network interface in this namespace that the kernel driver has made.
has_interface_of() {
    local interface
    for interface in $(ls /sys/class/net); do
        [ "$(interface_driver "$interface")" != "$1" ] || { echo "$interface"; return 0; }
    done
    return 1
}

# interface_of DRIVER: the same, waiting for it.
interface_of() {
    within 10 has_interface_of "$1" > /dev/null || fail "no network interface of $1"
    has_interface_of "$1"
}

# netns_add NAME: makes a network namespace with its loopback up. Run in it with `ip netns exec NAME ...`.
netns_add() {
    ip netns add "$1" && ip -n "$1" link set lo up || fail "no namespace $1"
}

# netns_take NAMESPACE INTERFACE CIDR: moves an interface into a namespace, gives it an address and brings it up.
netns_take() {
    ip link set "$2" netns "$1" && ip -n "$1" addr add "$3" dev "$2" && ip -n "$1" link set "$2" up ||
        fail "$2 does not go into $1"
}

# link_is_up NAMESPACE INTERFACE: whether the interface has its carrier. Without a namespace: give "".
link_is_up() {
    ip ${1:+-n "$1"} -o link show dev "$2" 2> /dev/null | grep -q LOWER_UP
}

# wait_link NAMESPACE INTERFACE SECONDS: waits for the carrier.
wait_link() {
    within "$3" link_is_up "$1" "$2" || fail "$2 has no link after $3 s"
}

# pci_facts ADDRESS: prints what sysfs knows about the device.
pci_facts() {
    local device=/sys/bus/pci/devices/$1 group
    group=$(iommu_group "$1") || exit 1
    echo "$1 vendor $(cat "$device/vendor") device $(cat "$device/device") revision $(cat "$device/revision")" \
        "class $(cat "$device/class") irq $(cat "$device/irq") driver $(pci_driver "$1") iommu group $group"
    sed 's/^/    reserved /' "/sys/kernel/iommu_groups/$group/reserved_regions"
}

# refused TEXT COMMAND...: udrvd, with these arguments, must fail with one line of its own that contains TEXT.
refused() {
    local text=$1 said
    shift
    said=$("$@" 2>&1 > /dev/null) && fail "not refused: $*"
    said=$(echo "$said" | grep '^udrvd: ')
    echo "    $said"
    [ "$(echo "$said" | wc -l)" = 1 ] || fail "not one line: $said"
    echo "$said" | grep -q -- "$text" || fail "no word of '$text' in: $said"
}

# back_again: the device goes back to Linux's own driver, and must be as good as new. For scripts with bus.sh.
back_again() {
    local back serve
    back=$(give_back) || exit 1
    netns_take near "$back" 10.77.0.1/24
    wait_link near "$back" 10
    /usr/local/bin/ip netns exec far udrv-judge serve 10.77.0.2:7001 2> /results/serve-again.log &
    serve=$!
    within 10 ip netns exec near udrv-judge transfer 10.77.0.2:7001 --mib 1 > /results/back.json || fail "no stream on the card given back"
    kill "$serve"
    echo "given back to $OUR_LINUX, which works: $(cat /results/back.json)"
}
