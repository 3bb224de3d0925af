# What nic.sh has to know of an adapter on USB, driven over libusb.
first=$(interface_of "$OUR_LINUX") || exit 1
# its path in sysfs ends with the device (1-1) and the interface (1-1:1.0)
port=$(basename "$(dirname "$(readlink -f "/sys/class/net/$first/device")")")
DEVICE=usb:$port

# refuse_and_take: what udrvd must not do. It takes the adapter from Linux's driver by itself.
refuse_and_take() {
    refused 'there is no USB device' udrvd run "usb:${port%-*}-9"
    refused 'there is no USB device' udrvd run usb:ffff:0001
    has_interface_of "$OUR_LINUX" > /dev/null || fail "Linux's own driver should have the adapter first"
}

# is_left_alone: whether udrvd has left the adapter as it must: with the driver that it took it from.
is_left_alone() {
    within 10 has_interface_of "$OUR_LINUX" > /dev/null
}

# interrupts: prints the kernel's counts of the host controller's.
interrupts() {
    grep xhci_hcd /proc/interrupts
}

# unplug_and_replug: in the middle of a stream, which goes on.
unplug_and_replug() {
    local disable=/sys/bus/usb/devices/${port%-*}-0:1.0/usb${port%-*}-port${port#*-}/disable before transfer
    [ -e "$disable" ] || fail "no $disable: the kernel cannot switch a port off"
    ip netns exec near udrv-judge transfer 10.77.0.2:7000 $LOAD --mib "$PIECE_MIB" --total 8 --until /tmp/replugged > /results/replug.json &
    transfer=$!
    before=$(received)
    within 60 has_received $((before + 1000000)) || fail "no stream before the adapter is unplugged"
    echo 1 > "$disable"
    within 10 has_no_carrier || fail "the adapter is unplugged, and the interface does not say so"
    udrvctl status > /results/status-unplugged || fail "udrvd does not answer while the adapter is unplugged"
    echo 0 > "$disable"
    wait_link near udrv0 20
    before=$(received)
    within 60 has_received $((before + 1000000)) || fail "the stream does not go on"
    touch /tmp/replugged
    wait "$transfer" || fail "the stream across the replug: $(cat /results/replug.json)"
    grep -q 'plugged in again' /results/udrvd.log || fail "no word of it in the log"
    echo "unplugged and plugged in again: $(cat /results/replug.json)"
}
received() { ip netns exec near cat /sys/class/net/udrv0/statistics/rx_bytes; }
has_received() { [ "$(received)" -ge "$1" ]; }
has_no_carrier() { ! link_is_up near udrv0; }

# give_back: it is Linux's as soon as udrvd has ended. Prints its interface.
give_back() {
    interface_of "$OUR_LINUX"
}
