# What nic.sh has to know of a card on PCI, driven over VFIO.
DEVICE=pci:$OURS

# bus_mastering ADDRESS: whether the device may master the bus (bit 2 of the PCI command register).
bus_mastering() {
    local byte
    byte=$(dd if="/sys/bus/pci/devices/$1/config" bs=1 skip=4 count=1 2> /dev/null | hexdump -e '1/1 "%d"')
    [ $((byte & 4)) -ne 0 ]
}

# refuse_and_take: what udrvd must not do before the card is ours; then it is.
refuse_and_take() {
    refused 'there is no PCI function' udrvd run pci:0000:00:1d.0
    refused 'bound to the kernel driver' udrvd run "pci:$PEER"
    refused 'bound to the kernel driver' udrvd run "$DEVICE"
    [ "$(pci_driver "$OURS")" = "$OUR_LINUX" ] || fail "Linux's own driver should have the card first"
    echo "$OURS" > "/sys/bus/pci/devices/$OURS/driver/unbind"
    refused 'no driver bound' udrvd run "$DEVICE"
    bind_vfio "$OURS"
    [ "$(pci_driver "$PEER")" = "$PEER_LINUX" ] || fail "the far card should be Linux's, and is $(pci_driver "$PEER")'s"
}

# is_left_alone: whether udrvd has left the card as it must.
is_left_alone() {
    ! bus_mastering "$OURS"
}

# interrupts: prints the kernel's counts of the card's.
interrupts() {
    grep vfio- /proc/interrupts
}

# unplug_and_replug: there is no such thing.
unplug_and_replug() {
    :
}

# give_back: the card to Linux's own driver, as the README says. Prints its interface.
give_back() {
    unbind_vfio "$OURS" "$OUR_LINUX"
    pci_interface "$OURS"
}
